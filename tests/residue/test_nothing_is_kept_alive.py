"""Neither a tensor nor a module stays alive through a trace, read or unread."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn

import modscope
from tests.residue import cases
from tests.residue.cases import Build
from tests.residue.scene import Act, Situation, recorded, survivors, traced, uncollected, unwatched
from tests.residue.situations import normal, raising

MET = [
    (name, function)
    for name, function in cases.walk().items()
    if "normal" in getattr(function, "only", ("normal",)) and "normal" not in getattr(function, "never", ())
]
CASES = [  # every second one, for the time it takes; traced and recorded by turns
    pytest.param(function, (traced, recorded)[place % 2], id=name) for place, (name, function) in enumerate(MET[::2])
]


def kept(function: Build, situation: Situation, act: Act) -> list[str]:
    """What is alive beyond what a plain run keeps: torch remembers things, and so may a module."""
    alive = survivors(function, situation, act)[1]
    if not alive:
        return []
    plainly = survivors(function, situation, unwatched(function))[1]
    return [] if alive == plainly else survivors(function, situation, act)[1]


@pytest.mark.parametrize(("function", "act"), CASES)
def test_a_trace_keeps_nothing_alive(function: Build, act: Act) -> None:
    assert kept(function, normal, act) == []


@pytest.mark.parametrize("function", [case.values[0] for case in CASES[::8]])
def test_a_partial_trace_keeps_nothing_alive(function: Build) -> None:
    assert kept(function, raising, traced) == []


@pytest.mark.parametrize(("function", "act"), CASES[1::4])
def test_a_trace_leaves_nothing_for_the_collector(function: Build, act: Act) -> None:
    assert uncollected(function, normal, act) == []


@pytest.mark.parametrize("function", [case.values[0] for case in CASES[::8]])
def test_a_partial_trace_leaves_nothing_for_the_collector(function: Build) -> None:
    assert uncollected(function, raising, traced) == []


def test_the_exception_of_a_failed_trace_keeps_no_copies() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2))
    model(torch.ones(2, 3)).sum().backward()
    wrong, gradients = torch.ones(2, 4), [parameter.grad for parameter in model.parameters()]
    gc.collect()
    gc.freeze()
    try:
        with pytest.raises(RuntimeError) as caught:
            modscope.trace(model, wrong)
        assert caught.tb is not None
        assert gradients
        assert not any(issubclass(type(each), torch.Tensor) for each in gc.get_objects())
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("read", [True, False])
def test_a_class_made_at_run_time_keeps_nothing_alive(read: bool) -> None:
    gc.freeze()
    try:
        trace = modscope.trace(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), torch.zeros(1, 2))
        assert not read or str(trace)
        gc.collect()
        assert not any(issubclass(type(each), torch.Tensor | nn.Module) for each in gc.get_objects())
    finally:
        gc.unfreeze()
    assert trace.tree[""].classes[0].name == "ParametrizedLinear"
