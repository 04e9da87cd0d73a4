"""What all recordings of a process need changed together: the first one in changes it, the last one out puts it back.

Two threads may record at once and end in any order, so that none of them can put back what it found.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from typing import Any

_lock = threading.RLock()


class Shared:
    """One change, and who needs it."""

    def __init__(self, read: Callable[[], Any], change: Callable[[], None], put_back: Callable[[Any], None]) -> None:
        self._read = read
        self._change = change
        self._put_back = put_back
        self._users: list[object] = []
        self._before: list[Any] = []  # empty while nothing is changed

    def need(self, user: object) -> None:
        """Have it changed until this user leaves."""
        with _lock:
            self._users.append(user)
            if not self._before:
                self._before.append(self._read())
                self._change()

    def leave(self, user: object) -> None:
        """No longer need it; harmless where it was not needed."""
        with _lock:
            self._users = [each for each in self._users if each is not user]
            if self._before and not self._users:
                self._put_back(self._before[0])
                self._before.clear()


def _resume(enabled: bool) -> None:
    if gc.get_freeze_count() == 0:  # else they are the user's
        # all that was made goes to the oldest generation: the young one would be gone through at once
        gc.freeze()
        gc.unfreeze()
    (gc.enable if enabled else gc.disable)()


# Rows pile up while a model runs, and the collector would go through all of them again and again.
collector = Shared(gc.isenabled, gc.disable, _resume)


_raised = 0


def raise_recursion_limit(frames: int) -> None:
    """Make room for our own frames; with a negative number, take it back."""
    global _raised
    with _lock:
        _raised += frames
        sys.setrecursionlimit(sys.getrecursionlimit() + frames)


def recursion_limit() -> int:
    """The limit without our own room."""
    return sys.getrecursionlimit() - _raised


def set_recursion_limit(limit: int) -> None:
    """Set the limit that `recursion_limit` reads."""
    sys.setrecursionlimit(limit + _raised)
