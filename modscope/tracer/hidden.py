"""Modules, parameters, tensors and packed weights in plain containers and objects: what `named_modules()` does not see.

Nothing of the user's runs here: only built-in containers are walked, by the built-in type's own methods, and of other
objects only what their `__dict__` and slots hold is read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from torch import ScriptObject, Tensor, nn

from modscope.tracer.opened import ordinary
from modscope.tracer.specs import is_parameter

# Values that hold nothing of interest. Most attributes are of these types, so they are passed over first.
SIMPLE = frozenset({int, float, bool, str, bytes, complex, type(None), type, FunctionType, MethodType, ModuleType})
DEEPEST = 6  # containers and objects inside one another
MOST = 50_000  # values looked at for one model: a vocabulary or a dataset may hang on it
PLAIN_VALUES = frozenset({int, float, bool, str, type(None)})


class Search:
    """One look through the attributes of many modules: an object that several of them hold is entered once."""

    def __init__(self, *known: Collection[int]) -> None:
        self._known = known  # ids of what is registered, or found before
        self.entered: dict[int, tuple[int, str, Any]] = {}  # by id: the module that holds it, the path there, and it
        self._left = MOST

    def __call__(self, holder: int, attributes: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str, Any]]:
        """(path from the module, container, what was found) for everything hidden in a module's attributes.

        The path of a thing in a list reads `layers[0]`, in a plain object `[helper].net`, set as a plain attribute
        `[teacher]`; its container is the type's name, or "attribute".
        """
        stack = [
            (name if kind in _CONTAINERS or kind in ("tensor", "packed") else f"[{name}]", "attribute", value, kind, 0)
            for name, value in attributes
            if (kind := _kind(value))
        ][::-1]
        while stack and self._left > 0:
            path, container, value, kind, depth = stack.pop()
            if kind in ("module", "parameter", "tensor", "packed"):
                if not any(id(value) in ids for ids in self._known):
                    yield path, container, value
                continue
            if depth == DEEPEST or id(value) in self.entered:
                continue
            self.entered[id(value)] = holder, path, value
            found = []
            for step, item in inside(value):
                self._left -= 1
                if self._left <= 0:
                    break
                if inner := _kind(item):
                    found.append((path + step, type(value).__name__, item, inner, depth + 1))
            stack.extend(reversed(found))


def inside(value: Any) -> Iterator[tuple[str, Any]]:
    """What a container or an object holds, each with its step of the path."""
    kind = _kind(value)
    return _attributes(value) if kind == "object" else _items(value, kind)


def _kind(value: Any) -> str:
    """How a value is looked into; "" for one that is not."""
    cls = type(value)
    if ordinary(cls) and cls in SIMPLE:
        return ""
    if issubclass(cls, nn.Module):
        return "module"
    if issubclass(cls, Tensor):
        return "parameter" if is_parameter(value) else "tensor"
    if cls is ScriptObject:
        return "packed"
    for kind, builtin in _CONTAINERS.items():
        if issubclass(cls, builtin):
            return kind
    # a class, a number or text of the user's own kind, and torch's own objects (optimizers, process groups) hold
    # nothing that the model hides
    if issubclass(cls, (type, int, float, str, bytes)) or cls.__module__.partition(".")[0] in ("torch", "numpy"):
        return ""
    return "object"


_CONTAINERS: dict[str, Any] = {"list": list, "dict": dict, "tuple": tuple, "set": (set, frozenset), "deque": deque}


def _items(value: Any, kind: str) -> Iterator[tuple[str, Any]]:
    if kind == "dict":
        for place, (key, item) in enumerate(dict.items(value)):
            yield f"[{key!r}]" if type(key) in PLAIN_VALUES else f"[{type(key).__name__}#{place}]", item
        return
    builtin = next(base for base in (list, tuple, set, frozenset, deque) if isinstance(value, base))
    for place, item in enumerate(builtin.__iter__(value)):
        yield f"[{place}]", item


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = None
    if isinstance(own, dict):
        for name, item in list(dict.items(own)):
            yield f".{name}", item
    for cls in type(value).__mro__:
        for name, slot in vars(cls).items():
            if type(slot) is MemberDescriptorType and name != "__dict__":
                try:
                    yield f".{name}", slot.__get__(value)
                except AttributeError:  # never set
                    continue
