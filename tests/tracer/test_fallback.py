from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import modscope
from modscope.tracer.fallback import see


class Square(nn.Module):
    """Asks for more than an address space holds."""

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, None] * x[None, :]).sum(0)


class Counts(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[: int(x.sum())]


def test_what_runs_is_run_for_real() -> None:
    seen = see(nn.Linear(2, 2), (torch.zeros(1, 2),), {})
    assert (seen.what.origin, seen.reasons) == ("real", ())


def test_what_the_memory_cannot_hold_is_run_without_numbers() -> None:
    seen = see(Square(), (torch.zeros(10_000_000),), {})
    assert isinstance(seen.what, modscope.Trace)
    assert seen.what.origin == "fake"
    assert "more memory than there is" in seen.reasons[0]


def test_a_model_on_the_meta_device_is_run_without_numbers() -> None:
    seen = see(nn.Linear(100, 100, device="meta"), (torch.zeros(64, 100),), {})
    assert seen.what.origin == "fake"
    assert "no numbers" in seen.reasons[0]


def test_what_needs_numbers_it_does_not_have_is_shown_as_a_tree() -> None:
    seen = see(Counts(100, 100, device="meta"), (torch.zeros(64, 100),), {})
    assert isinstance(seen.what, modscope.ModuleTree)
    assert seen.what.origin == "static"
    assert [reason.partition(" ")[0] for reason in seen.reasons][1].startswith(__file__)


def test_the_users_exception_passes_through() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        see(nn.Linear(2, 2), (torch.zeros(1, 3),), {})


@pytest.mark.parametrize("ops", [True, False])
def test_parameters_that_are_fetched_for_the_forward_make_it_a_real_one(ops: bool) -> None:
    model = nn.Linear(2, 2)
    kept = dict(model.named_parameters())

    def fetch(module: nn.Module, args: object) -> None:
        module._parameters.update(kept)

    def put_away(*_: object) -> None:
        model._parameters.update({name: nn.Parameter(each.to("meta")) for name, each in kept.items()})

    model.register_forward_pre_hook(fetch)
    model.register_forward_hook(put_away)
    put_away()
    with modscope.record(model, ops=ops) as recorder:
        model(torch.ones(1, 2))
    assert (recorder.trace.origin, recorder.trace.tree.origin) == ("real", "fake")
    with modscope.record(model, ops=ops) as recorder:
        model.forward(torch.ones(1, 2, device="meta"))
    assert recorder.trace.origin == "fake"
