"""What names are bound to, in very many namespaces at once: `trace()` pays for this on every model."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import chain, compress
from operator import is_
from typing import Any

import torch

# How often a dictionary was changed: Python counts it until 3.11, and torch's guards read it.
_changes: Any = torch._C._dynamo.guards.dict_version if sys.version_info < (3, 12) else None
_PLAIN = frozenset({dict})
_KEPT_BY_PYTHON = frozenset({"__slotnames__", "__abstractmethods__", "__annotations__", "__annotations_cache__"})


class Names:
    """What is in many dictionaries, in which order. Their values are told apart by identity, and never asked."""

    def __init__(self, spaces: Sequence[dict[Any, Any]]) -> None:
        self._spaces = spaces
        self._lengths = list(map(len, spaces))
        self._filled = list(compress(spaces, self._lengths))
        self._keys = list(chain.from_iterable(self._filled))
        self._values = list(_values(self._filled))
        self._changes = _all_changes(spaces)

    def put_back(self) -> None:
        """Mend those that differ."""
        if (self._changes and self._changes == _all_changes(self._spaces)) or self._all_same():
            return
        end = 0
        for space, length in zip(self._spaces, self._lengths, strict=True):
            start, end = end, end + length
            keys, values = self._keys[start:end], self._values[start:end]
            if list(space) != keys or not all(map(is_, space.values(), values)):
                space.clear()
                space.update(zip(keys, values, strict=True))

    def _all_same(self) -> bool:
        return (
            list(map(len, self._spaces)) == self._lengths
            and all(map(is_, _values(self._filled), self._values))
            and list(chain.from_iterable(self._filled)) == self._keys
        )


def _all_changes(spaces: Sequence[dict[Any, Any]]) -> list[int]:
    """How often each was changed; nothing where that is not known: an ordered one does not count a move."""
    if _changes is None or not _PLAIN.issuperset(map(type, compress(spaces, spaces))):
        return []
    return list(map(_changes, spaces))


def _values(spaces: Sequence[dict[Any, Any]]) -> Iterator[Any]:
    return chain.from_iterable(map(dict.values, spaces))


class Members:
    """What is in many sets of names."""

    def __init__(self, spaces: Sequence[set[str]]) -> None:
        self._empty = [space for space in spaces if not space]
        self._filled = [(space, set(space)) for space in spaces if space]

    def put_back(self) -> None:
        """Mend those that differ."""
        for space in filter(None, self._empty):
            space.clear()
        for space, before in self._filled:
            if space != before:
                space.clear()
                space.update(before)


class ClassAttributes:
    """What the attributes of a class are bound to, but for some."""

    def __init__(self, cls: type, but: frozenset[str] = frozenset()) -> None:
        self.what = f"the class {cls.__name__}"
        self._cls = cls
        self._before = dict(vars(cls))
        self._left = _KEPT_BY_PYTHON | but

    def put_back(self) -> None:
        """Mend those that differ, but for those that Python itself keeps."""
        cls, before = self._cls, self._before
        now = vars(cls)
        if len(now) == len(before) and all(map(is_, now.values(), before.values())):
            return
        for name in [name for name in now if name not in before and name not in self._left]:
            type.__delattr__(cls, name)
        for name, value in before.items():
            if now.get(name) is not value and name not in self._left:
                type.__setattr__(cls, name, value)


class Callables:
    """What the functions and classes of some modules are bound to. Modules are left: they may be imported late."""

    def __init__(self, spaces: Sequence[dict[str, Any]]) -> None:
        self._spaces = spaces
        self._before = [space.copy() for space in spaces]
        self._changes = _all_changes(spaces)

    def put_back(self) -> None:
        """Mend those that differ."""
        if self._changes and self._changes == _all_changes(self._spaces):
            return
        for space, before in zip(self._spaces, self._before, strict=True):
            for name in [name for name, value in space.items() if name not in before and callable(value)]:
                del space[name]
            for name, value in before.items():
                if space.get(name) is not value and callable(value):
                    space[name] = value
