"""What `ast` says of a file: its imports, its classes and their bases. Facts only; no tree outlives its file."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from modscope.linter.places import Place

Function = ast.FunctionDef | ast.AsyncFunctionDef
Targets = tuple[str | None, ...]  # what a name may stand for: full dotted names; None: something else


@dataclass(frozen=True, slots=True)
class Scope:
    """The names bound in one scope, and the scope around it."""

    bound: Mapping[str, Targets]
    stars: tuple[str, ...] = ()  # modules star-imported here
    outer: Scope | None = None
    of_class: bool = False  # a class body: its names are not seen from its methods

    def find(self, name: str, *, from_method: bool = False) -> Targets | None:
        """What the name stands for, in this scope or around it; None when nothing binds it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bound and not (from_method and scope.of_class):
                return scope.bound[name]
            scope, from_method = scope.outer, True  # of the classes around a scope no name is seen in it
        return None

    def all_stars(self) -> Iterator[str]:
        """The star-imported modules, the latest first."""
        scope: Scope | None = self
        while scope is not None:
            yield from reversed(scope.stars)
            scope = scope.outer


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """A class statement: where it stands, what it says it inherits, what it assigns."""

    name: str  # in its file: "Net", "Outer.Net", "build.Net"
    bases: tuple[str | None, ...]  # as written, "nn.Module"; None for what is no dotted name
    scope: Scope = field(repr=False)  # the one the class statement stands in
    lines: tuple[int, int]  # first (decorators included) and last, from 1
    methods: frozenset[str]
    assigned: tuple[tuple[str, str | None], ...]  # attributes that methods set on self, and the dotted name they call
    metaclass: str | None = None  # as written; "" for what is no dotted name


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """A function outside classes: what it gives back."""

    returns: Targets  # dotted names, as written, of what its return statements call; "@0" is its first argument itself;
    # None for anything else
    scope: Scope = field(repr=False)
    container: str | None = None  # "list", "tuple", "dict" or "generator", where it returns nothing but these
    elements: Targets = ()  # of what it puts into them: the dotted names called, "@0" for copies of the first
    # argument; None for anything else


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A dict outside functions whose values are called: `{"relu": nn.ReLU}`."""

    returns: Targets  # dotted names, as written, of what its values call or are; None for anything else
    scope: Scope = field(repr=False)


@dataclass(frozen=True)
class FileFacts:
    """A source file as seen from outside."""

    path: str  # absolute; "" for a text without a file
    dots: int  # how far its relative imports go up
    place: Place = field(repr=False)
    scope: Scope
    classes: Mapping[str, ClassFacts]
    functions: Mapping[str, FunctionFacts]
    tables: Mapping[str, TableFacts]

    @property
    def module(self) -> str:
        """Its dotted name: "pkg.models.net"."""
        return self.place.module

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders in which its absolute imports are looked up."""
        return self.place.roots

    def absolute(self, module: str, level: int) -> str:
        """The dotted name of the module that `from ..module import` reads."""
        return absolute(self.place.package, module, level)


def absolute(package: str, module: str, level: int) -> str:
    """A relative module name made absolute; `level` counts the dots."""
    if not level:
        return module
    parts = package.split(".") if package else []
    parts = parts[: max(0, len(parts) - level + 1)]
    return ".".join([*parts, module] if module else parts)


def lines(node: ast.ClassDef) -> tuple[int, int]:
    """The first line of a class statement, decorators included, and the last."""
    return min([node.lineno, *(each.lineno for each in node.decorator_list)]), node.end_lineno or node.lineno


def dotted(node: ast.expr) -> str | None:
    """`a.b.c` as text; None for any other expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    parts.append(node.id)
    return ".".join(reversed(parts))


def statements(body: list[ast.stmt], *, deep: bool = False) -> Iterator[ast.stmt]:
    """The statements of one scope in their order, those in its `if`, `try`, `with` and loops included.

    `deep` goes on into functions and classes.
    """
    stack = body[::-1]
    while stack:
        statement = stack.pop()
        yield statement
        blocks = _BLOCKS.get(type(statement))
        if blocks is None or (not deep and type(statement) in _SCOPES):
            continue
        for name in blocks:
            inner: list[Any] = getattr(statement, name)
            stack += (inner if name in _OF_STATEMENTS else [each for part in inner for each in part.body])[::-1]


def holds_class(body: list[ast.stmt]) -> bool:
    """Whether a class statement stands among these statements, or in one of them."""
    waiting = [*body]
    for statement in waiting:
        kind = type(statement)
        if kind is ast.ClassDef:
            return True
        for name in _BLOCKS.get(kind, ()):
            inner: list[Any] = getattr(statement, name)
            waiting += inner if name in _OF_STATEMENTS else [each for part in inner for each in part.body]
    return False


_SCOPES = frozenset({ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef})
_OF_STATEMENTS = frozenset({"body", "orelse", "finalbody"})
# The blocks of compound statements, the last first.
_BLOCKS: Mapping[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(name for name in ("finalbody", "orelse", "cases", "handlers", "body") if name in kind._fields)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.stmt) and {"body", "cases"}.intersection(kind._fields)
}
