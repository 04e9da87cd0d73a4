"""A class as a rule's trigger sees it, before LibCST has parsed it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from modscope.linter.facts import ClassFacts
from modscope.linter.index import FileIndex

Node = TypeVar("Node", bound=ast.AST)
Expression = TypeVar("Expression", bound=ast.expr)
Found = TypeVar("Found")
_LINE_ENDS = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")
# Left out before they are looked into: most nodes are leaves, and lists hold names and None too.
_LEAVES = frozenset({ast.Name, ast.Constant, ast.Load, ast.Store, ast.Del, ast.alias, ast.Pass, str, int, type(None)})
# What fields hold besides nodes, and nodes that say nothing.
_PLAIN = frozenset({ast.Load, ast.Store, ast.Del, str, int, float, complex, bytes, bool, type(None), type(...)})


@dataclass(frozen=True)
class Candidate:
    """A Module class: its text, its `ast` node, what the index knows."""

    facts: ClassFacts
    node: ast.ClassDef
    text: str
    index: FileIndex

    @cached_property
    def methods(self) -> Mapping[str, str]:
        """Name and text of each function in the class body."""
        lines = self.text.splitlines(keepends=True) if "\r" not in self.text else _LINE_ENDS.split(self.text)
        above = self.facts.lines[0]
        return {
            node.name: "".join(lines[node.lineno - above : (node.end_lineno or node.lineno) - above + 1])
            for node in self.node.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }

    def nodes(self, kind: type[Node]) -> Sequence[Node]:
        """All nodes of exactly this type, the outer ones first; not for names and constants."""
        found: Sequence[Any] = self.walked[0].get(kind, ())
        return found

    def nodes_outside_init(self, kind: type[Expression]) -> Sequence[Expression]:
        """The same without those in `__init__`."""
        inits = [each for each in self.node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
        return [
            node
            for node in self.nodes(kind)
            if not any(init.lineno <= node.lineno <= (init.end_lineno or 0) for init in inits)
        ]

    def resolve(self, written: str) -> str | None:
        """The full name of a dotted name in a method, as far as nothing in the class binds it."""
        return self.index.resolve(written, self.facts.scope, from_method=True)

    @property
    def imports(self) -> bool:
        """Whether the class has imports of its own: then names in it may stand for anything."""
        return bool(self.nodes(ast.Import) or self.nodes(ast.ImportFrom))

    @property
    def depth(self) -> int:
        """How deep statements and expressions nest."""
        return self.walked[1]

    def once(self, search: Callable[[Candidate], Found]) -> Found:
        """What a search says, made for the first rule that asks."""
        if search not in self._searches:
            self._searches[search] = search(self)
        found: Found = self._searches[search]
        return found

    @cached_property
    def _searches(self) -> dict[Callable[[Candidate], Any], Any]:
        return {}

    @cached_property
    def walked(self) -> tuple[Mapping[type, list[ast.AST]], int]:
        """All nodes by type, and how deep they nest."""
        return walk([self.node])


def parts(root: ast.AST) -> list[ast.AST]:
    """The node and all in it, names included: what `ast.walk` gives, in a third of the time."""
    found: list[Any] = [root]
    for node in found:
        for value in node.__dict__.values():
            kind = type(value)
            if kind is list:
                found += [each for each in value if isinstance(each, ast.AST)]
            elif kind not in _PLAIN:
                found.append(value)
    return found


def walk(roots: Sequence[ast.AST]) -> tuple[Mapping[type, list[ast.AST]], int]:
    """The nodes by their type, the outer ones first, and how deep they nest; names and constants are left out."""
    found: dict[type, list[ast.AST]] = {}
    level: list[Any] = [*roots]
    depth = 0
    while level:
        depth += 1
        inner: list[Any] = []
        for node in level:
            kind = type(node)
            if kind in _LEAVES:
                continue
            if kind in found:
                found[kind].append(node)
            else:
                found[kind] = [node]
            for value in node.__dict__.values():
                part = type(value)
                if part is list:
                    inner += value
                elif part not in _LEAVES:
                    inner.append(value)
        level = inner
    return found, depth
