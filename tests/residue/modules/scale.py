"""Size and depth."""

import inspect
import sys
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from tests.residue.modules import never, only, running


@only("normal")
@never("looking")
def twenty_thousand_children() -> Any:
    """Wide; only a few run."""
    model = nn.ModuleList([nn.Identity()] * 5 + [nn.Identity() for _ in range(20_000)])
    model.forward = lambda x: model[2](model[-1](x))
    return model, (torch.randn(2, 3),)


def _levels(count: int) -> nn.Module:
    model: nn.Module = nn.Linear(3, 3)
    for _ in range(count):
        model = nn.Sequential(model)
    return model


@cache  # a twin is built under another stack
def _levels_that_fit() -> int:
    return (sys.getrecursionlimit() - len(inspect.stack(0)) - 200) // 4


@only("normal", "threaded")
@never("oracle")  # hooks take a fifth
def as_deep_as_a_plain_call_can_go() -> Any:
    """Four steps of the stack a level: whoever adds a fifth needs a higher recursion limit."""
    return _levels(_levels_that_fit()), (torch.randn(2, 3),)


@only("normal")
def a_thousand_levels() -> Any:
    """Beyond the usual recursion limit: whoever runs this has raised it."""
    sys.setrecursionlimit(20_000)
    return _levels(1000), (torch.randn(2, 3),)


@only("normal")
def a_thousand_levels_unused() -> Any:
    """named_modules() dies here; the forward works at the usual limit."""
    model, inputs = running(lambda self, x: x * 2)
    model.deep = _levels(1000)
    return model, inputs


def registered_cycle() -> Any:
    """A child that has its parent as a child."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.child.parent.fc(x)

    model, inputs = running(forward)
    model.child = nn.Module()
    model.child.parent = model
    return model, inputs


@only("normal", "interrupted")
def a_thousand_calls() -> Any:
    """One child in a long loop."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        for _ in range(1000):
            x = self.fc(x)
        return x

    return running(forward)
