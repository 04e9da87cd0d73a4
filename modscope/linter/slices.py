"""Stretches of a file that LibCST parses: a class by its lines, a statement by its own; and where their nodes stand."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.guards import guard
from modscope.linter.text import SourceText, UnreadableSource

if TYPE_CHECKING:
    from modscope.linter.positions import Positions

_WRAPPER = "if 1:\n"  # indented text is parsed as its body, so that no string in it has to be dedented


@dataclass(frozen=True)
class Slice:
    """A parsed stretch; `node` is the class or statement in it."""

    source: SourceText = field(repr=False)
    start: int  # character of the file at which its own text starts
    before: int  # characters that were put before that text
    feeds: tuple[int, ...]  # where form feeds were taken out, which LibCST loses
    tree: cst.Module = field(repr=False)
    node: cst.CSTNode = field(repr=False)

    @classmethod
    def of_class(cls, source: SourceText, candidate: Candidate) -> Slice:
        """The class statement with its decorators. Raises UnreadableSource where LibCST may not or cannot read it."""
        guard(candidate.node, candidate.walked, source)
        return cls._parse(source, source.starts[candidate.facts.lines[0] - 1], candidate.text, "")

    @classmethod
    def of_statement(cls, source: SourceText, start: int, end: int, body: str = "") -> Slice:
        """The characters of one statement; `body` follows what is only a header."""
        text = source.text[start:end] + body
        if text.startswith("elif"):
            text = f"if  {text[4:]}"
        left = source.text[source.starts[source.line_of(start) - 1] : start].replace("\f", "")
        return cls._parse(source, start, text, left if left.isspace() else " " * len(left))

    @classmethod
    def _parse(cls, source: SourceText, start: int, text: str, indent: str) -> Slice:
        feeds = tuple(place for place, character in enumerate(text) if character == "\f") if "\f" in text else ()
        text = text.replace("\f", "")
        wrapped = indent or text[:1] in (" ", "\t")
        before = _WRAPPER + indent if wrapped else ""
        try:
            tree = cst.parse_module(before + text)
        except cst.ParserSyntaxError as error:
            raise UnreadableSource("unreadable-file", f"LibCST: {error.message}", source.line_of(start)) from None
        node: Any = tree.body[0]
        return cls(source, start, len(before), feeds, tree, node.body.body[0] if wrapped else node)

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """First character in the file and the one after the last, without parentheses around it."""
        first, last = self._positions.core(node)
        return self._place(first), self._place(last)

    def outer_span(self, node: cst.CSTNode) -> tuple[int, int]:
        """The same with the parentheses that belong to the node."""
        first, last = self._positions.whole(node)
        return self._place(first), self._place(last)

    def written(self, new: cst.CSTNode, instead_of: cst.CSTNode) -> str:
        """The text of a new node where the old one stands."""
        return self._positions.written(new, instead_of)

    def _place(self, place: int) -> int:
        own = place - self.before
        # the n-th form feed stood n characters further on than the text without the earlier ones shows
        taken = bisect_right(range(len(self.feeds)), own, key=lambda number: self.feeds[number] - number)
        return self.start + own + taken

    @cached_property
    def _positions(self) -> Positions:
        from modscope.linter.positions import Positions

        return Positions(self.tree)
