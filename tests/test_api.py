"""The public functions: what they take, and what they say of what they do not take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import modscope
from modscope.errors import ModscopeError
from tests.hand_built import named


@pytest.mark.parametrize(
    ("size", "shapes"),
    [((), [()]), ([()], [()]), (3, [(3,)]), ((3, 2), [(3, 2)]), ([3, 2], [(3, 2)]), ([(3,)], [(3,)])],
)
def test_an_input_size_is_a_shape_a_number_or_shapes(size: Any, shapes: list[tuple[int, ...]]) -> None:
    trace = modscope.summary(nn.Identity(), input_size=size).thing
    assert isinstance(trace, modscope.Trace)
    assert list(trace.calls[0].input_shapes) == shapes


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (lambda trace: modscope.summary(trace, depth=-1).__str__(), "depth is -1; 0 shows the root alone"),
        (lambda trace: modscope.summary(trace, depth="2").__str__(), "depth is '2'; 0 shows the root alone"),
        (lambda trace: modscope.render(trace.tree, "dot", depth=-1), "depth is -1; 0 shows the root alone"),
        (lambda trace: modscope.render(trace, "html", depth=-1), "depth is -1; 0 shows the root alone"),
        (lambda trace: modscope.render(trace, "svg", depth=1.5), "depth is 1.5; 0 shows the root alone"),
        (lambda trace: modscope.compare(trace.tree), r"compare\(\) reads a Trace, not a ModuleTree"),
        (lambda trace: modscope.dataflow(trace.tree), r"dataflow\(\) reads a Trace, not a ModuleTree"),
        (lambda trace: modscope.module_graph(nn.ReLU()), "reads a Trace or ModuleTree, not a ReLU"),
        (lambda trace: modscope.save(trace, "model"), "'model' has no ending"),
        (lambda trace: modscope.summary(nn.ReLU(), inputs=torch.zeros(2)), "inputs is a Tensor"),
        (lambda trace: modscope.summary(nn.ReLU(), input_size="1x3"), "input_size holds '1'"),
        (lambda trace: modscope.summary(trace, torch.zeros(1)), "takes no inputs: it has run already"),
    ],
)
def test_what_cannot_be_done_is_said(asked: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ModscopeError, match=message):
        asked(named("Net"))


def test_one_column_needs_no_tuple() -> None:
    assert modscope.summary(named("Net"), columns="params").columns == ("params",)


def test_the_ending_of_a_file_may_be_in_capitals(tmp_path: Path) -> None:
    modscope.save(named("Net"), tmp_path / "NET.JSON")
    assert modscope.load(tmp_path / "NET.JSON") == named("Net")
