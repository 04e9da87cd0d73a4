"""Functions in TorchScript, which torch shows to no function mode: each call of one is written down as an op."""

from __future__ import annotations

from typing import Any

import torch

from modscope.tracer import calls
from modscope.tracer.functions import Function
from modscope.tracer.shared import Replaced


class ScriptedFunction(Function):
    """One of them. It is not kept: its constants are tensors of the user's."""

    __slots__ = ()

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self.name = function.name
        self.function = None


def _watched_call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    output = scripted.original(self, *args, **kwargs)
    for watch in calls.watches_here():
        watch.ran_scripted(ScriptedFunction(self), args, kwargs, output)
    return output


scripted = Replaced(torch.jit.ScriptFunction, "__call__", _watched_call)
