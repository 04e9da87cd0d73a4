"""Where a class stands in source: its file, its line, and the rules that comments in it ignore."""

from __future__ import annotations

import abc
import ast
import re
import sys
import tokenize
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

from torch import nn

from modscope import suppressions
from modscope.data import ClassInfo

_NOBODYS = (nn.Module, abc.ABC, typing.Generic, typing.Protocol, object)
_CLASS = re.compile(r"^[ \t]*class[ \t]+(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Place:
    """One `class` statement of a file."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Source:
    lines: dict[str, list[int]]  # where a line starts like the class statement of this name
    ignores: tuple[suppressions.Ignore, ...]


class Seen(NamedTuple):
    """A class that was met, so that it can be told of when it may be gone."""

    name: str
    bases: tuple[type | ClassInfo, ...]  # its own and those before nn.Module; one that can be imported stays anyway

    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes a module is made of, from its own down to the last before nn.Module."""
        return tuple(base if type(base) is ClassInfo else _class_info(base) for base in self.bases)  # type: ignore[arg-type]


def see(cls: type) -> Seen:
    """Read now what could not be read later. A class made at run time may hold on to the module it was made for."""
    bases = [base for base in cls.__mro__ if not any(base is each for each in _NOBODYS)]
    return Seen(cls.__name__, tuple(base if _stays(base) else _class_info(base) for base in bases))


def _stays(cls: type) -> bool:
    """Whether a class can be reached by its name."""
    found: Any = sys.modules.get(cls.__module__)
    for step in cls.__qualname__.split("."):
        found = getattr(found, "__dict__", {}).get(step)
    return found is cls


def _class_info(cls: type) -> ClassInfo:
    names = cls.__name__, str(cls.__module__)
    file = _file(cls)
    source = None if file is None else _source(file, _stamp(file))
    if file is None or source is None or (place := _place(cls, file, source)) is None:
        return ClassInfo(*names, file)
    rules = (
        rule
        for ignore in source.ignores
        if ignore.everywhere or place.first <= ignore.line <= place.last
        for rule in ignore.rules or ()
    )
    return ClassInfo(*names, file, place.first, tuple(dict.fromkeys(rules)))


def _file(cls: type) -> str | None:
    """The file a class was defined in; None for one made in a notebook, by exec() or in C."""
    for method in _methods(cls):
        if Path(method.__code__.co_filename).is_file():
            return method.__code__.co_filename
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return file if isinstance(file, str) and file.endswith(".py") and Path(file).is_file() else None


def _methods(cls: type) -> Iterator[FunctionType]:
    """Functions whose code was written in the class itself, not assigned to it or generated."""
    for value in vars(cls).values():
        function = getattr(value, "__func__", value)
        if isinstance(function, FunctionType):
            code = function.__code__
            if code.co_qualname == f"{cls.__qualname__}.{code.co_name}":
                yield function


def _place(cls: type, file: str, source: _Source) -> _Place | None:
    """The class statement. The file is parsed only where its lines alone do not tell."""
    lines = source.lines.get(cls.__name__, [])
    if len(lines) == 1 and not source.ignores:
        return _Place(lines[0], lines[0])
    places = _statements(file, _stamp(file)).get(cls.__qualname__, []) if lines else []
    if len(places) > 1:  # a name defined twice: the one that its methods were written in
        written = [method.__code__.co_firstlineno for method in _methods(cls)]
        places = [place for place in places if all(place.first <= line <= place.last for line in written)] or places
    return places[-1] if places else None


def _stamp(file: str) -> tuple[int, int]:
    status = Path(file).stat()
    return status.st_mtime_ns, status.st_size


def _read(file: str) -> str:
    with tokenize.open(file) as opened:
        return opened.read()


@lru_cache(maxsize=256)
def _source(file: str, stamp: tuple[int, int]) -> _Source | None:
    """What stands in a file as it is now; None when it cannot be read."""
    try:
        text = _read(file)
    except (OSError, SyntaxError, ValueError):
        return None
    lines: dict[str, list[int]] = {}
    line, position = 1, 0
    for match in _CLASS.finditer(text):
        line, position = line + text.count("\n", position, match.start()), match.start()
        lines.setdefault(match[1], []).append(line)
    ignores = suppressions.read(text).ignores if suppressions.mentioned(text) else ()
    return _Source(lines, tuple(ignore for ignore in ignores if ignore.ours))


@lru_cache(maxsize=16)
def _statements(file: str, stamp: tuple[int, int]) -> dict[str, list[_Place]]:
    """The class statements of a file by qualified name; one name may be defined several times."""
    try:
        tree = ast.parse(_read(file))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    places: dict[str, list[_Place]] = {}
    stack: list[tuple[ast.AST, str]] = [(tree, "")]
    while stack:
        node, scope = stack.pop()
        match node:
            case ast.ClassDef(name=name, lineno=first, end_lineno=last):
                places.setdefault(scope + name, []).append(_Place(first, last or first))
                scope = f"{scope}{name}."
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                scope = f"{scope}{name}.<locals>."
            case ast.expr():
                continue
        stack.extend((child, scope) for child in ast.iter_child_nodes(node))
    return places
