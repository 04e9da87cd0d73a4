"""The modes of this thread: the stack of torch function modes, and running something that no mode sees."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, repeat, starmap
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import _disable_current_modes

_Result = TypeVar("_Result")
_C = torch._C
_tracing_state: Callable[[], Any] = _C._get_tracing_state
_set_tracing_state: Callable[[Any], None] = _C._set_tracing_state  # type: ignore[attr-defined]

# Each of the two is one line, so that an interrupt strikes within `act` or not at all: at the end of a longer block it
# would leave the modes off.


def past_functions(act: Callable[..., _Result], *args: Any) -> _Result:
    """Run it where neither function modes nor the `__torch_function__` of a tensor see it."""
    with _C.DisableTorchFunction(): return act(*args)  # noqa: E701  # fmt: skip


def past_tracing(act: Callable[..., _Result], *args: Any) -> _Result:
    """Run it where torch.jit.trace does not take it for part of the model."""
    if (state := _tracing_state()) is None:
        return act(*args)
    try:
        _set_tracing_state(None)
        return act(*args)
    finally:
        _set_tracing_state(state)


def past_modes(act: Callable[..., _Result], *args: Any) -> _Result:
    """Run it where no dispatch mode sees it either, neither the user's nor ours, nor torch.jit.trace."""
    result: _Result = past_tracing(_past_modes, act, *args)
    return result


def _past_modes(act: Callable[..., _Result], *args: Any) -> _Result:
    with _C.DisableTorchFunction(), _disable_current_modes(): return act(*args)  # noqa: E701  # fmt: skip


def function_modes() -> list[Any]:
    """All of them, the innermost last."""
    return [_C._get_function_stack_at(place) for place in range(_C._len_torch_function_stack())]


def set_function_modes(modes: Sequence[Any]) -> None:
    """Have these, and no others. In one step, which no interrupt can divide: the user's modes would be lost."""
    pops = starmap(_C._pop_torch_function_stack, repeat((), _C._len_torch_function_stack()))
    deque(chain(pops, map(_C._push_on_torch_function_stack, modes)), maxlen=0)


def dispatch_modes() -> list[Any]:
    """The same of dispatch modes, but for those that torch keeps a place of their own for."""
    return [_C._get_dispatch_stack_at(place) for place in range(_C._len_torch_dispatch_stack())]


def set_dispatch_modes(modes: Sequence[Any]) -> None:
    """Have these, and no others, in one step."""
    pops = starmap(_C._pop_torch_dispatch_stack, repeat((None,), _C._len_torch_dispatch_stack()))
    deque(chain(pops, map(_C._push_on_torch_dispatch_stack, modes)), maxlen=0)


def remove(mode: Any) -> None:
    """Take one off the stack, wherever it is by now; harmless where it is not."""
    before = function_modes()
    after = [each for each in before if each is not mode]
    if len(after) != len(before):
        set_function_modes(after)


def push_dispatch_mode(mode: Any) -> None:
    """Have it see what this thread runs."""
    _C._push_on_torch_dispatch_stack(mode)


def remove_dispatch_mode(mode: Any) -> None:
    """Take one off the stack, wherever it is by now; harmless where it is not."""
    before = dispatch_modes()
    after = [each for each in before if each is not mode]
    if len(after) != len(before):
        set_dispatch_modes(after)
