"""Exceptions that strike from outside, wherever the thread is: a signal handler raises one, as timeouts do.

They are no answer to what was being asked. Whoever heeds an exception lets them through, as Ctrl-C comes through.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, MethodType
from typing import Any

_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_RAISED_BELOW = ("builtins", "torch", "numpy")  # the homes of what torch and Python raise in C
_traceback = vars(BaseException)["__traceback__"].__get__
_home: Callable[[type], str] = vars(type)["__module__"].__get__


def heed(error: Exception) -> None:
    """Raise it again if it struck from outside."""
    passed = list(_codes(error))
    users = [code for code in passed if not code.co_filename.startswith(_OURS)]
    if users:
        struck = not set(users).isdisjoint(map(_code_of, map(signal.getsignal, signal.valid_signals())))
    else:  # no code of the user's has raised it: another thread had it raised here
        struck = str(_home(type(error))).partition(".")[0] not in _RAISED_BELOW
    if struck:
        raise error


def _codes(error: Exception) -> Iterator[CodeType]:
    traceback = _traceback(error)
    while traceback is not None:
        yield traceback.tb_frame.f_code
        traceback = traceback.tb_next


def _code_of(handler: Any) -> CodeType | None:
    """What a signal handler runs first."""
    while isinstance(handler, partial):
        handler = handler.func
    function = handler.__func__ if isinstance(handler, MethodType) else handler
    if not hasattr(function, "__code__"):
        function = type(handler).__call__
    return getattr(function, "__code__", None)
