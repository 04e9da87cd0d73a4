"""Functions in TorchScript, which torch shows to no function mode: each call of one is written down as an op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from modscope.tracer import calls
from modscope.tracer.functions import Function
from modscope.tracer.shared import Shared

_class: Any = torch.jit.ScriptFunction
_original: Callable[..., Any] = vars(_class)["__call__"]


class ScriptedFunction(Function):
    """One of them. It is not kept: its constants are tensors of the user's."""

    __slots__ = ()

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self.name = function.name
        self.function = None


def _watched_call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    output = _original(self, *args, **kwargs)
    for watch in calls.watches_here():
        watch.ran_scripted(ScriptedFunction(self), args, kwargs, output)
    return output


def _replace() -> None:
    global _original
    _original = vars(_class)["__call__"]
    _class.__call__ = _watched_call


def _put_back(before: Any) -> None:
    _class.__call__ = before


scripted = Shared(lambda: vars(_class)["__call__"], _replace, _put_back)
