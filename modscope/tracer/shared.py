"""What all recordings of a process need changed together: the first one in changes it, the last one out puts it back.

Two threads may record at once and end in any order, so that none of them can put back what it found. An interrupt may
strike at any line: whatever is done here can be done again.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_Result = TypeVar("_Result")
_lock = threading.RLock()


def alone(act: Callable[..., _Result], *args: Any) -> _Result:
    """Run it while no other thread is in here."""
    # in one line: an interrupt at the end of a longer block would leave the lock held
    with _lock: return act(*args)  # noqa: E701  # fmt: skip


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
        alone(self._need, user)

    def leave(self, user: object) -> None:
        """No longer need it; harmless where it was not needed."""
        alone(self._leave, user)

    def _need(self, user: object) -> None:
        self._users.append(user)
        if not self._before:
            self._before.append(self._read())
            self._change()

    def _leave(self, user: object) -> None:
        self._users = [each for each in self._users if each is not user]
        if self._before and not self._users:
            self._put_back(self._before[0])
            self._before.clear()


class Replaced(Shared):
    """An attribute of a class or module, with another in its place. `original`: what it was before, to be called."""

    def __init__(self, owner: Any, name: str, instead: Any) -> None:
        super().__init__(lambda: vars(owner).get(name), self._replace, self._restore)
        self._owner = owner
        self._name = name
        self._instead = instead
        self.original: Any = getattr(owner, name)

    def _replace(self) -> None:
        self.original = getattr(self._owner, self._name)
        setattr(self._owner, self._name, self._instead)

    def _restore(self, before: Any) -> None:
        if before is not None:
            setattr(self._owner, self._name, before)
        elif self._name in vars(self._owner):  # it was inherited
            delattr(self._owner, self._name)


def _resume(before: tuple[bool, int]) -> None:
    enabled, frozen = before
    if frozen == 0:  # else they are the user's
        # all that was made goes to the oldest generation: the young one would be gone through at once
        gc.freeze()
        gc.unfreeze()
    (gc.enable if enabled else gc.disable)()


# Rows pile up while a model runs, and the collector would go through all of them again and again.
collector = Shared(lambda: (gc.isenabled(), gc.get_freeze_count()), gc.disable, _resume)


class RecursionRoom:
    """The room that recordings add to the recursion limit, for their own frames."""

    def __init__(self) -> None:
        self._rooms: dict[int, int] = {}  # by id of who needs it
        self._limit = sys.getrecursionlimit()  # the user's, unless it has been set since
        self._ours = (self._limit, self._limit)  # what the limit is where nobody has set it

    def need(self, user: object, frames: int) -> None:
        """Have so many frames more for this user, until it says otherwise."""
        alone(self._need, user, frames)

    def limit(self) -> int:
        """The limit without the room."""
        now = sys.getrecursionlimit()
        return self._limit if now in self._ours else now

    def set_limit(self, limit: int) -> None:
        """Set what `limit()` reads."""
        alone(self._set, limit)

    def _need(self, user: object, frames: int) -> None:
        limit = self.limit()
        if frames:
            self._rooms[id(user)] = frames
        else:
            self._rooms.pop(id(user), None)
        self._set(limit)

    def _set(self, limit: int) -> None:
        room = limit + sum(self._rooms.values())
        self._limit, self._ours = limit, (sys.getrecursionlimit(), room)  # an interrupt may keep the old one
        sys.setrecursionlimit(room)
        self._ours = room, room


recursion_room = RecursionRoom()
