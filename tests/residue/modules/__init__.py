"""Tricky modules by family. Each public function builds one and returns (model, args, kwargs), the tail optional."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Runs(nn.Module):
    """Calls a child, then a function of (module, the child's output)."""

    def __init__(self, function: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, self.fc(x))


def running(function: Callable[[Any, Tensor], Any]) -> Any:
    """The smallest case whose forward is `function`."""
    return Runs(function), (torch.randn(2, 3),)


def after(switch: Callable[[], object]) -> Any:
    """The smallest case that switches something when it has run."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = F.relu(self.fc(x)) + torch.ones(3)
        switch()
        return x

    return running(forward)


def only(*situations: str) -> Callable[[Any], Any]:
    """For a module that is too large for every situation."""

    def mark(build: Any) -> Any:
        build.only = situations
        return build

    return mark


def never(*situations: str) -> Callable[[Any], Any]:
    """For a module that breaks in a situation without anybody watching."""

    def mark(build: Any) -> Any:
        build.never = situations
        return build

    return mark


def eager(build: Any) -> Any:
    """For a module with compiled children: watched, they run eagerly, and so does the twin."""
    build.eager = True
    return build
