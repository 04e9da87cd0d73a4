"""Where the statements of a file stand, which names they see, and how one of them is parsed alone."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from modscope.linter.candidate import walk
from modscope.linter.collecting import scope_of_function
from modscope.linter.facts import Function, Scope
from modscope.linter.guards import guard
from modscope.linter.index import FileIndex
from modscope.linter.slices import Slice
from modscope.linter.statement import Statement
from modscope.linter.text import SourceText

Owner = ast.ClassDef | Function


@dataclass(frozen=True, slots=True)
class Header:
    """A simple statement, or what stands before the body of a compound one: characters of the file."""

    start: int
    end: int
    compound: bool
    node: ast.stmt
    owners: tuple[Owner, ...]  # the functions and classes around it, the outermost first


class Statements:
    """The statements of one file; looked at only where a rule's trigger occurs."""

    def __init__(self, source: SourceText, tree: ast.Module, index: FileIndex) -> None:
        self.source = source
        self.tree = tree
        self.index = index
        self._scopes: dict[ast.AST, Scope] = {}
        self._refused: set[int] = set()

    def holding(self, places: Iterable[int]) -> list[Header]:
        """The innermost statements that stand at these characters, each once, in order."""
        found = {header.start: header for place in places if (header := self._at(place))}
        return [found[start] for start in sorted(found)]

    def parse(self, header: Header) -> tuple[Slice, Statement]:
        """The statement by LibCST. Raises UnreadableSource."""
        guard(header.node, walk(_own_parts(header.node)), self.source)
        piece = Slice.of_statement(self.source, header.start, header.end, "pass" if header.compound else "")
        inside = ".".join(owner.name for owner in header.owners)
        return piece, Statement(piece.node, self._scope(header.owners), self.index, inside, self.source.text)

    def refuses(self, header: Header) -> bool:
        """Whether a statement that is too much for LibCST is met for the first time; it is reported once."""
        first = header.start not in self._refused
        self._refused.add(header.start)
        return first

    def _scope(self, owners: tuple[Owner, ...]) -> Scope:
        scope = self.index.facts.scope
        for owner in owners:
            if not isinstance(owner, ast.ClassDef):
                if owner not in self._scopes:
                    self._scopes[owner] = scope_of_function(owner, self.index.facts, scope)
                scope = self._scopes[owner]
        return scope

    def _at(self, place: int) -> Header | None:
        """The innermost statement whose own text, a compound one's header, holds a character."""
        nearest: ast.stmt | None = None
        owners: tuple[Owner, ...] = ()
        bodies = [self.tree.body]
        while bodies:
            above = [each for body in bodies if (each := self._last_above(body, place)) is not None]
            if not above:
                break
            if isinstance(nearest, Owner):
                owners = (*owners, nearest)
            nearest = max(above, key=lambda each: (each.lineno, each.col_offset))
            bodies = _bodies(nearest)
        if nearest is None:
            return None
        body: list[ast.stmt] = getattr(nearest, "body", [])
        end = self._start(body[0]) if body else self.source.place(nearest.end_lineno, nearest.end_col_offset)
        return Header(self._start(nearest), end, bool(body), nearest, owners) if place < end else None

    def _last_above(self, body: list[ast.stmt], place: int) -> ast.stmt | None:
        """The last statement of a block that starts at or before a character."""
        last = bisect_right(body, place, key=self._start)
        return body[last - 1] if last else None

    def _start(self, node: ast.stmt) -> int:
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        if not decorators:
            return self.source.place(node.lineno, node.col_offset)
        first = decorators[0]
        return self.source.text.rindex("@", 0, self.source.place(first.lineno, first.col_offset))


def _own_parts(node: ast.stmt) -> list[ast.AST]:
    """What stands in the header; all of a statement that has no body of its own."""
    if not hasattr(node, "body"):
        return [node]
    blocks = {id(each) for body in _bodies(node) for each in body}
    return [each for each in ast.iter_child_nodes(node) if id(each) not in blocks]


def _bodies(node: ast.stmt) -> list[list[ast.stmt]]:
    """The blocks of a compound statement."""
    inner = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
    return inner + [part.body for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ()))]
