"""Operators that run functions, as `torch.cond` is one: module calls in there are seen where no compiler is needed.

With gradients it is: torch needs what the functions take from around them as inputs, and has its compiler find these.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch._C._functorch import maybe_current_level

from modscope.tracer import calls
from modscope.tracer.compiled import compiling, kept_from_compiling
from modscope.tracer.shared import Replaced


def _watched_call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    watches = list(calls.watches_here())
    if not watches or torch._C._len_torch_function_stack():  # it comes by here again once no mode is left
        return higher.original(self, *args, **kwargs)
    before = [(rows, len(rows)) for watch in watches for rows in (watch.recorder.calls, watch.recorder.ops)]
    # under vmap, torch gives the batches of one entry where it was kept from compiling
    if not (maybe_current_level() is not None and _is_kept()):
        try:
            return higher.original(self, *args, **kwargs)
        except Exception:
            if not _is_kept():
                raise
    for rows, length in before:
        del rows[length:]
    for watch in watches:
        watch.ran_compiled(self.name())
    with compiling():
        return _utils()._hop_compile_and_call(lambda *args, **kwargs: self(*args, **kwargs), args, kwargs)


def _is_kept() -> bool:
    """Whether torch wants its compiler to run what runs now, and is kept from it."""
    return _utils() is not None and bool(_utils()._in_hop_compile()) and kept_from_compiling()


def _utils() -> Any:
    return sys.modules.get("torch._higher_order_ops.utils")


higher = Replaced(torch._ops.HigherOrderOperator, "__call__", _watched_call)
