"""Arguments and outputs -> value rows: their structure as it was, with tensors as refs.

Rows are kept while the model runs, so they hold no tensor and no object of the user's: a tensor is its `Ref`, a
container a `Held`, anything unknown its type's name. Plain values stay themselves.

An object of a plain Python class, such as a cache, is opened: what its `__dict__` and its slots hold is read past the
class, and of that the tensors are recorded, and what holds tensors. None of its own methods runs.
"""

from __future__ import annotations

import dataclasses
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import ScriptObject, Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import Parameter
from torch.utils import _pytree

from modscope.data import Constant, Nested, TensorRef, Value
from modscope.tracer.modes import past_functions
from modscope.tracer.opened import ATOMS, BUILT_IN, HOLD_NOTHING, Way, among, holds_nothing, ordinary, way_into
from modscope.tracer.refs import Ref
from modscope.tracer.struck import heed

DEEPEST = 64  # containers inside one another; of what is deeper, the tensors are recorded in one row
MOST = 20_000  # items of one value; containers that share containers have exponentially many
MOST_OPENED = (
    1_000  # attributes and items looked at in objects, for one value: a vocabulary or a dataset may hang there
)
LONGEST = 80  # characters of a value's text

PLAIN_TENSORS = frozenset({Tensor, Parameter, FakeTensor})  # no class of the user's
_LEAVES = PLAIN_TENSORS | ATOMS


class Held(NamedTuple):
    """A container, or an object that was opened."""

    type: str
    items: tuple[Any, ...]
    keys: tuple[str, ...] | None = None
    opened: bool = False


class Unknown(NamedTuple):
    """An object nobody may look into, or one without tensors."""

    type: str
    packed: int = 0  # the id of one that torch keeps numbers in


Refer = Callable[[Tensor], Ref]


def describe(value: Any, refer: Refer, opens: bool = True) -> Any:
    """The row of a value. Unknown objects are never iterated, compared or measured; `opens`: plain ones are opened."""
    kind = type(value)
    if not ordinary(kind):
        return _Reader(refer, opens).read(value, ())
    if kind in ATOMS:
        return value
    if kind in PLAIN_TENSORS:
        return refer(value)
    if (kind is tuple or kind is list) and len(value) < MOST and among(_LEAVES, value):
        return Held(kind.__name__, tuple([refer(each) if type(each) in PLAIN_TENSORS else each for each in value]))
    return _Reader(refer, opens).read(value, ())


class _Reader:
    """Reads one value, with a bound on how much."""

    def __init__(self, refer: Refer, opens: bool) -> None:
        self._refer = refer
        self._opens = opens
        self._left = MOST
        self._tensors = 0
        self._looks = 0  # left in the object that is open
        self._opened = 0  # objects that the value being read is inside of
        self._ways: dict[int, Way | None] = {}  # by id of the class

    def read(self, value: Any, above: tuple[int, ...]) -> Any:
        kind = type(value)
        if ordinary(kind) and kind in ATOMS:
            return value
        if issubclass(kind, Tensor):
            self._tensors += 1
            return self._refer(value)
        if kind is ScriptObject:
            return Unknown(name_of(kind), id(value))
        left = self._looks if self._opened else self._left
        if left <= 0 or id(value) in above:
            return Unknown(name_of(kind))
        if len(above) == DEEPEST:
            return Unknown(name_of(kind)) if self._opened else self._flattened(value, above)
        if id(kind) in self._ways:
            return self._open(value, kind, above)
        if self._opened and holds_nothing(value, kind, self._looks):
            return Unknown(name_of(kind))
        inside = _asked(value, kind)
        if inside is None:
            number = _number(value, kind)
            if number is not None:
                return number
            return self._open(value, kind, above) if self._opens else Unknown(name_of(kind))
        items, keys = inside
        above = (*above, id(value))
        rows = []
        for item in items:
            if self._opened:
                self._looks -= 1
            else:
                self._left -= 1
                if self._left <= 0:
                    rows.append(Unknown("…"))
                    break
            rows.append(self.read(item, above))
        return Held(name_of(kind), tuple(rows), None if keys is None else tuple(keys)[: len(rows)])

    def _flattened(self, value: Any, above: tuple[int, ...]) -> Any:
        """The tensors in containers that may be nested deeper than the stack allows."""
        rows, stack, entered = [], [value], set(above)
        while stack and self._left > 0:
            each = stack.pop()
            kind = type(each)
            self._left -= 1
            if issubclass(kind, Tensor):
                self._tensors += 1
                rows.append(self._refer(each))
            elif id(each) not in entered and (inside := _asked(each, kind)) is not None:
                entered.add(id(each))
                stack.extend(reversed(list(inside[0])))
        return Held(name_of(type(value)), tuple(rows)) if rows else Unknown(name_of(type(value)))

    def _open(self, value: Any, kind: type, above: tuple[int, ...]) -> Any:
        """The attributes that hold tensors; the type alone where none does, or where there is too much to look at."""
        try:
            way = self._ways[id(kind)]
        except KeyError:
            way = self._ways[id(kind)] = way_into(kind)
        if not self._opened:
            self._looks = MOST_OPENED
        self._opened += 1
        found: dict[str, Any] = {}
        for name, item in () if way is None else way(value, self._looks):
            cls = type(item)
            if ordinary(cls) and cls in HOLD_NOTHING:
                continue
            self._looks -= 1
            before = self._tensors
            if ordinary(cls) and cls in PLAIN_TENSORS:
                self._tensors += 1
                row = self._refer(item)
            else:
                row = self.read(item, (*above, id(value)))
            if self._tensors > before:
                found[name if type(name) is str else _key(name)] = row
        self._opened -= 1
        if not found or self._looks <= 0:
            return Unknown(name_of(kind))
        return Held(name_of(kind), tuple(found.values()), tuple(found), True)


def _asked(value: Any, kind: type) -> tuple[Iterable[Any], Iterable[str] | None] | None:
    try:
        return _inside(value, kind)
    except Exception as error:  # a class of the user's that answers no question
        heed(error)
        return None


def _inside(value: Any, kind: type) -> tuple[Iterable[Any], Iterable[str] | None] | None:
    """The items of a container, and their names where it has some; read by the built-in type's own methods."""
    if issubclass(kind, dict):
        entries = list((OrderedDict if issubclass(kind, OrderedDict) else dict).items(value))
        return [item for _, item in entries], [_key(key) for key, _ in entries]
    if issubclass(kind, tuple):
        items = list(tuple.__iter__(value))
        names = _field_names(kind)
        return items, names if len(names) == len(items) > 0 else None
    for builtin in BUILT_IN[2:]:
        if issubclass(kind, builtin):
            return list(builtin.__iter__(value)), None
    if kind is slice:
        return (value.start, value.stop, value.step), ("start", "stop", "step")
    if dataclasses.is_dataclass(kind):
        found = dict(_fields(value, kind))
        return found.values(), found
    return _registered(value, kind)


def _number(value: Any, kind: type) -> Any:
    """The plain value of one of NumPy's."""
    if not issubclass(kind, getattr(sys.modules.get("numpy"), "generic", ())):
        return None
    plain = value.item()
    return plain if type(plain) in ATOMS else None


def _field_names(kind: type) -> list[str]:
    """Of a named tuple, or of what torch returns; none where the class does not tell them."""
    try:
        names: Any = getattr(kind, "_fields", None) or getattr(kind, "__match_args__", ())
        return list(map(str, names))
    except Exception:
        return []


def _fields(value: Any, kind: type) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(kind):
        try:
            yield field.name, object.__getattribute__(value, field.name)
        except Exception:  # not set, or a descriptor of the user's that raises
            continue


def _registered(value: Any, kind: type) -> tuple[Iterable[Any], None] | None:
    """What torch's pytree takes a registered class apart into."""
    node = _pytree.SUPPORTED_NODES.get(kind)
    if node is None:
        return None
    try:
        return list(past_functions(node.flatten_fn, value)[0]), None
    except Exception:
        return None


def _key(key: Any) -> str:
    return _written(key) if type(key) in ATOMS else name_of(type(key))


def name_of(cls: type) -> str:
    """A class's name, past a metaclass that may refuse to give it."""
    return str(_NAME.__get__(cls))


_NAME = vars(type)["__name__"]


# ---- rows -> records


def refs(row: Any) -> Iterator[Ref]:
    """The tensors in a row, in flattening order."""
    stack = [row]
    while stack:
        here = stack.pop()
        if type(here) is Ref:
            yield here
        elif type(here) is Held:
            stack.extend(reversed(here.items))


def packed(row: Any) -> Iterator[int]:
    """The ids of the objects in a row that torch keeps numbers in."""
    if type(row) is Unknown and row.packed:
        yield row.packed
    elif type(row) is Held:
        for item in row.items:
            yield from packed(item)


def value_of(row: Any, tensor: Callable[[Ref], TensorRef]) -> Value:
    """The record of a row."""
    if type(row) is Ref:
        return tensor(row)
    if type(row) is Held:
        return Nested(row.type, tuple(value_of(item, tensor) for item in row.items), row.keys, row.opened)
    if type(row) is Unknown:
        return Constant(row.type)
    return Constant(type(row).__name__, text_of(row))


def text_of(row: Any) -> str:
    """Short text of a row that holds no tensor."""
    if type(row) is str:
        return row[:LONGEST]
    if type(row) is torch.Size:
        row = tuple(row)
    if type(row) is Unknown:
        return row.type
    if type(row) is Held:
        if row.type == "slice":
            return ":".join("" if item is None else text_of(item) for item in row.items).removesuffix(":")
        inside = ", ".join(text_of(item) for item in row.items[:LONGEST])
        return (f"({inside})" if row.type == "tuple" else f"[{inside}]")[:LONGEST]
    return _written(row)[:LONGEST]


def _written(atom: Any) -> str:
    try:
        return str(atom)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return name_of(type(atom))
