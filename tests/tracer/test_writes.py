"""What reads a tensor comes from what wrote it last, through whatever name of its memory it was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import modscope
from modscope import Trace


class Runs(nn.Module):
    """A linear layer, two buffers that share memory, and what is done with them."""

    def __init__(self, function: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        memory = torch.ones(4)
        self.register_buffer("front", memory[:3])
        self.register_buffer("back", memory[1:])
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def _traced(function: Callable[[Any, Tensor], Any]) -> Trace:
    return modscope.trace(Runs(function), torch.zeros(3, 3))


def _sources(trace: Trace, name: str) -> list[list[int | str | None]]:
    """Where the inputs of all ops of a name come from: an op's index, or a name."""
    return [
        [ref.source.op if ref.source.kind == "op" else ref.source.name for ref in op.inputs]
        for op in trace.ops
        if op.name == name
    ]


def test_an_op_that_gives_what_it_was_given_did_not_make_it() -> None:
    trace = _traced(lambda model, x: model.linear.weight.requires_grad_() @ model.linear.bias.float())
    assert _sources(trace, "requires_grad_") == [["linear.weight"]]
    assert _sources(trace, "float") == [["linear.bias"]]
    assert _sources(trace, "matmul") == [["linear.weight", "linear.bias"]]


def test_a_parameter_that_is_given_the_memory_of_a_view_stays_that_parameter() -> None:
    def forward(model: Any, x: Tensor) -> Tensor:
        scaled = model.linear.weight * 2
        model.linear.weight.data = scaled.data
        return model.linear(x) + scaled

    trace = _traced(forward)
    assert _sources(trace, "mul") == [["linear.weight"]]
    assert _sources(trace, "data") == [[0], ["linear.weight", 1]]
    assert _sources(trace, "linear") == [["args[0]", 2, "linear.bias"]]
    assert _sources(trace, "add") == [[3, 0]]  # what it was given was not written
    assert [note.path for note in trace.not_undone] == ["linear.weight"]


def test_what_was_written_through_another_buffer_comes_from_that_write() -> None:
    trace = _traced(lambda model, x: (model.front.zero_(), x * model.back))
    assert _sources(trace, "mul") == [["args[0]", 0]]
    assert _sources(trace, "zero_") == [["front"]]
