"""Under fake() a tensor with numbers that is filled without any becomes one without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import modscope


@pytest.mark.parametrize(
    "fill",
    [
        lambda out, x: torch.add(x, x, out=out),
        lambda out, x: out.set_(x),
        lambda out, x: out.resize_as_(x),
        lambda out, x: torch.topk(x, 50, out=(out, torch.empty(0, dtype=torch.long))),
    ],
)
def test_an_empty_tensor_that_an_op_fills_takes_the_shape_of_what_it_is_filled_with(fill: Callable[..., Any]) -> None:
    class Fills(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            out = torch.empty(0)
            fill(out, x)
            return out + 1

    real = modscope.trace(Fills(), torch.zeros(100, 100))
    with modscope.fake():
        trace = modscope.trace(Fills(), torch.zeros(100, 100))
    assert trace.calls[0].output_shapes == real.calls[0].output_shapes
    assert [[ref.source for ref in op.inputs] for op in trace.ops] == [
        [ref.source for ref in op.inputs] for op in real.ops
    ]


def test_a_parameter_is_made_of_a_fake_tensor_as_of_any() -> None:
    class Makes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.Parameter(x * 2) + 1

    with modscope.fake():
        trace = modscope.trace(Makes(), torch.zeros(100, 100))
    assert [(op.name, [ref.source.op for ref in op.inputs]) for op in trace.ops] == [("mul", [None]), ("add", [0])]


@pytest.mark.filterwarnings("ignore:Accessing the data pointer")
def test_what_dlpack_makes_of_a_fake_tensor_is_written_down() -> None:
    class Hands(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.from_dlpack(x * 2) + 1

    with modscope.fake():
        trace = modscope.trace(Hands(), torch.zeros(100, 100))
    assert [op.name for op in trace.ops] == ["mul", "__dlpack__", "add"]
    assert trace.blind_spots == ()
