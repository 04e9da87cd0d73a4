"""Objects of plain Python classes, opened past their own methods: what their `__dict__` and their slots hold."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import torch
from torch import nn

from modscope.tracer.struck import heed

ATOMS = frozenset(
    {int, float, bool, complex, str, bytes, range, type(None), type(...), torch.Size}
    | {torch.dtype, torch.device, torch.layout, torch.memory_format}
)
# Most attributes of objects are of these types, and hold no tensor.
HOLD_NOTHING = ATOMS | {type, FunctionType, MethodType, ModuleType}
BUILT_IN: tuple[Any, ...] = (dict, tuple, list, set, frozenset, deque)

Way = Callable[[Any, int], list[tuple[str, Any]]]


def ordinary(kind: type) -> bool:
    """Whether a class can be looked up in a set of classes: a metaclass may refuse to have it hashed."""
    return type(kind).__hash__ is type.__hash__


def among(kinds: frozenset[Any], values: Iterable[Any]) -> bool:
    """Whether all of these are of those classes."""
    try:
        return kinds.issuperset(map(type, values))
    except Exception as error:  # one refuses to be hashed
        heed(error)
        return False


def way_into(kind: type) -> Way | None:
    """How to read the attributes that objects of a plain Python class hold; None for what holds no input of a model."""
    home = _HOME.__get__(kind)
    if issubclass(kind, (nn.Module, type, FunctionType, ModuleType)) or not isinstance(home, str):
        return None
    if home.partition(".")[0] in ("torch", "numpy"):
        return None
    spaces = [_SPACE.__get__(base) for base in _BASES.__get__(kind)]
    own = next((space["__dict__"] for space in spaces if "__dict__" in space), None)
    if type(own) is not GetSetDescriptorType:  # none, or a property of the user's
        own = None
    slotted = [space for space in spaces if "__slots__" in space]
    slots = [(name, slot) for space in slotted for name, slot in space.items() if type(slot) is MemberDescriptorType]

    if own is not None and not slots:
        return lambda value, most: _entries(own.__get__(value), most)

    def attributes(value: Any, most: int) -> list[tuple[str, Any]]:
        found = [] if own is None else _entries(own.__get__(value), most)
        for name, slot in slots:
            try:
                found.append((name, slot.__get__(value)))
            except AttributeError:  # never set
                continue
        return found

    return attributes


def _entries(held: dict[str, Any], most: int) -> list[tuple[str, Any]]:
    return list(held.items()) if len(held) <= most else []


def holds_nothing(value: Any, kind: type, most: int) -> bool:
    """Whether a built-in container has only plain values in it, or too many things to look at."""
    for base in BUILT_IN:
        if issubclass(kind, base):
            items = dict.values(value) if base is dict else base.__iter__(value)
            return base.__len__(value) > most or among(HOLD_NOTHING, items)
    return False


_HOME, _BASES, _SPACE = (vars(type)[name] for name in ("__module__", "__mro__", "__dict__"))
