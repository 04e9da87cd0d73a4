"""One thing that a process or a thread has one of, and a forward may move."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple


class Switch(NamedTuple):
    """`same` compares what was read before with what is read now."""

    read: Callable[[], Any]
    write: Callable[[Any], Any]
    same: Callable[[Any, Any], bool] = lambda before, now: before == now


def identical(before: Any, now: Any) -> bool:
    """Where nobody's `==` may be asked."""
    return before is now


def all_identical(before: Any, now: Any) -> bool:
    """The same of sequences."""
    return len(before) == len(now) and all(map(identical, before, now))


def mends_what_differs(before: Any, now: Any) -> bool:
    """Where `write` looks for itself."""
    return False


def read_all(switches: Iterable[Switch]) -> list[tuple[Switch, Any]]:
    """Each with how it stands."""
    return [(switch, switch.read()) for switch in switches]
