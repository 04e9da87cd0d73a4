"""Traces and trees as JSON, both ways. The types of the fields say how; nothing is listed here."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from modscope import data
from modscope.data import Constant, ModuleTree, Nested, TensorRef, Trace
from modscope.errors import UnreadableTrace

Saved = TypeVar("Saved", Trace, ModuleTree)
VERSION = 1
KINDS: dict[str, type] = {"trace": Trace, "tree": ModuleTree}


def dump(thing: Trace | ModuleTree) -> str:
    """JSON text with the schema version; every tensor value is written once and then named by its number."""
    tensors: dict[int, Any] = {}
    kind = next(kind for kind, cls in KINDS.items() if isinstance(thing, cls))
    body = _encode(thing, tensors)
    document = {"schema": VERSION, "kind": kind, "tensors": list(tensors.values()), kind: body}
    return json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


@overload
def load(text: str) -> Trace | ModuleTree: ...
@overload
def load(text: str, wanted: type[Saved]) -> Saved: ...
def load(text: str, wanted: type | None = None) -> Any:
    """The Trace or ModuleTree in a JSON text; UnreadableTrace says what is wrong with it."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableTrace(f"not a saved trace: no JSON ({error})") from None
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(kind, str) or kind not in KINDS or not isinstance(document.get("schema"), int):
        raise UnreadableTrace('not a saved trace: JSON, but without the "schema" and "kind" that modscope writes')
    if document["schema"] != VERSION:
        raise UnreadableTrace(
            f"a trace of schema version {document['schema']}; this modscope reads version {VERSION}. "
            "Record it again, or read it with the version that wrote it."
        )
    if wanted is not None and KINDS[kind] is not wanted:
        raise UnreadableTrace(f"a saved {kind} where a saved {wanted.__name__} was asked for")
    try:
        tensors = {entry["id"]: _decoder(TensorRef)(entry, {}) for entry in document["tensors"]}
        saved = _decoder(KINDS[kind])(document[kind], tensors)
        _check_references(saved)
        return saved
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise UnreadableTrace(f"a damaged trace: {type(error).__name__}: {error}") from None


def _check_references(saved: Trace | ModuleTree) -> None:
    """Readers follow these without a look: ValueError where one leads nowhere."""
    tree = saved.tree if isinstance(saved, Trace) else saved
    if not tree.modules:
        raise ValueError("a tree without a root")
    if lost := [child for module in tree.modules for child in module.children if child not in tree]:
        raise ValueError(f"no module {lost[0]!r} in its tree")
    if not isinstance(saved, Trace):
        return
    for numbers in ([call.index for call in saved.calls], [op.index for op in saved.ops]):
        if numbers != list(range(len(numbers))):
            raise ValueError("calls and ops are not numbered in their order")
    if any(call.parent is not None and not 0 <= call.parent < call.index for call in saved.calls):
        raise ValueError("a call in a later one")
    inside = [op.call for op in saved.ops] + [run.call for run in saved.runs]
    inside += [] if saved.error is None else [saved.error.call]
    if any(call is not None and not 0 <= call < len(saved.calls) for call in inside):
        raise ValueError("no such call")


def _encode(value: Any, tensors: dict[int, Any]) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case tuple():
            return [_encode(item, tensors) for item in value]
        case TensorRef():
            if value.id not in tensors:
                tensors[value.id] = _fields(value, tensors)
            return {"tensor": value.id}
        case _:
            return _fields(value, tensors)


def _fields(record: Any, tensors: dict[int, Any]) -> dict[str, Any]:
    """The fields that differ from their default."""
    return {
        each.name: _encode(value, tensors)
        for each in fields(record)
        if (value := getattr(record, each.name)) != each.default or each.default is MISSING
    }


Decoder = Callable[[Any, dict[int, TensorRef]], Any]


@cache
def _decoder(kind: Any) -> Decoder:
    """How JSON becomes a value of this type."""
    if kind == data.Value:
        return _decode_value
    if isinstance(kind, type) and is_dataclass(kind):
        return _record_decoder(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):
        return _optional_decoder(arguments)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin is Literal:
        return _literal_decoder(arguments)
    return _plain_decoder(kind)


def _record_decoder(kind: type) -> Decoder:
    hints = get_type_hints(kind)
    known: dict[str, Decoder] = {}

    def decode(value: Any, tensors: dict[int, TensorRef]) -> Any:
        if kind is TensorRef and "tensor" in value:
            return tensors[value["tensor"]]
        if not known:  # filled on first use: records may contain one another
            known.update((each.name, _decoder(hints[each.name])) for each in fields(kind))
        return kind(**{name: known[name](item, tensors) for name, item in value.items()})

    return decode


def _decode_value(value: Any, tensors: dict[int, TensorRef]) -> data.Value:
    if "tensor" in value:
        return tensors[value["tensor"]]
    return _decoder(Nested if "items" in value else Constant)(value, tensors)  # type: ignore[no-any-return]


def _optional_decoder(kinds: tuple[Any, ...]) -> Decoder:
    if data.Value in kinds or set(get_args(data.Value)) <= set(kinds):
        inner: Decoder = _decode_value
    else:
        (only,) = (kind for kind in kinds if kind is not type(None))
        inner = _decoder(only)
    return lambda value, tensors: None if value is None else inner(value, tensors)


def _tuple_decoder(kinds: tuple[Any, ...]) -> Decoder:
    if kinds[-1:] == (Ellipsis,):
        item = _decoder(kinds[0])
        return lambda value, tensors: tuple(item(each, tensors) for each in _list(value))
    items = [_decoder(kind) for kind in kinds]
    return lambda value, tensors: tuple(item(each, tensors) for item, each in zip(items, _list(value), strict=True))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} where a list belongs")
    return value


def _literal_decoder(allowed: tuple[Any, ...]) -> Decoder:
    def decode(value: Any, tensors: dict[int, TensorRef]) -> Any:
        if value not in allowed:
            raise ValueError(f"{value!r} is none of {', '.join(map(repr, allowed))}")
        return value

    return decode


def _plain_decoder(kind: type) -> Decoder:
    def decode(value: Any, tensors: dict[int, TensorRef]) -> Any:
        if kind is float and isinstance(value, int | float | str):
            return float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise TypeError(f"{value!r} where a {kind.__name__} belongs")
        return value

    return decode
