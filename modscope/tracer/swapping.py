"""`torch.utils.swap_tensors` refuses tensors that have weak references: ours are dropped before it looks."""

from __future__ import annotations

import torch
from torch import Tensor

from modscope.tracer import calls
from modscope.tracer.shared import Replaced


def _swap_tensors(t1: Tensor, t2: Tensor) -> None:
    for watch in calls.watches_here():
        for tensor in (t1, t2):
            watch.recorder.tensors.forget(tensor)
    swapping.original(t1, t2)


swapping = Replaced(torch.utils, "swap_tensors", _swap_tensors)
