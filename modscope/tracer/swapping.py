"""`torch.utils.swap_tensors` refuses tensors that have weak references: ours are dropped before it looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from modscope.tracer import calls
from modscope.tracer.shared import Shared

_original: Callable[[Tensor, Tensor], None] = torch.utils.swap_tensors


def _swap_tensors(t1: Tensor, t2: Tensor) -> None:
    for watch in calls.watches_here():
        for tensor in (t1, t2):
            watch.recorder.tensors.forget(tensor)
    _original(t1, t2)


def _replace() -> None:
    global _original
    _original = torch.utils.swap_tensors
    torch.utils.swap_tensors = _swap_tensors


def _put_back(before: Any) -> None:
    torch.utils.swap_tensors = before


swapping = Shared(lambda: torch.utils.swap_tensors, _replace, _put_back)
