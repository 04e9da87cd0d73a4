"""What a forward under `fake()` keeps in the model's own containers: a real one would find tensors without numbers."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from typing import Any

from torch._subclasses.fake_tensor import FakeTensor

from modscope.tracer.tree import Captured, active_fake_mode

_TABLES = (dict, OrderedDict, defaultdict)
_ROWS = (list, deque)
_DEEPEST = 4  # containers inside one another


class Caches:
    """The tables, lists and objects that a model's attributes hold. Those that got fake tensors are put back."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, list[Any]]] = []
        self._spoilt: list[tuple[Any, list[Any]]] = []

    def take(self, captured: Captured) -> None:
        """Note what they hold; only under `fake()`."""
        if active_fake_mode() is not None:
            for _, _, holder in captured.alive_containers:
                container = _container(holder)
                if type(container) in _TABLES or type(container) in _ROWS:
                    self._before.append((container, list(_entries(container))))

    def put_back(self) -> None:
        """May be interrupted, and called again."""
        for container, before in self._before:
            if set(map(id, _fakes(container))).difference(map(id, _fakes(before))):
                self._spoilt.append((container, before))  # one that was emptied when an interrupt hit shows no fakes
        for container, before in self._spoilt:
            container.clear()
            (container.update if type(container) in _TABLES else container.extend)(before)


def _container(holder: Any) -> Any:
    """A built-in container as it is, and of an object its attributes."""
    if type(holder) in _TABLES or type(holder) in _ROWS:
        return holder
    try:
        return object.__getattribute__(holder, "__dict__")
    except AttributeError:
        return None


def _entries(container: Any) -> Any:
    return container.items() if type(container) in _TABLES else container


def _fakes(value: Any, depth: int = 0) -> Iterator[FakeTensor]:
    if issubclass(type(value), FakeTensor):
        yield value
    elif depth < _DEEPEST and type(value) in (*_TABLES, *_ROWS, tuple):
        for each in value.values() if type(value) in _TABLES else value:
            yield from _fakes(each, depth + 1)
