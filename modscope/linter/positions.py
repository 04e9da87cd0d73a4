"""Where the nodes of a LibCST tree stand in its text: the characters from, and to.

The tree writes its own text once more into a state that notes how far it has come. LibCST's metadata providers do the
same, node by node with lines and columns, at ten times the cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate

from libcst._nodes.internal import CodegenState

from modscope.linter import cst

Span = tuple[int, int]


class Positions:
    """Spans of every node, with and without what is not part of its meaning."""

    def __init__(self, tree: cst.Module) -> None:
        state = _State(tree.default_indent, tree.default_newline)
        tree._codegen(state)
        self.text = "".join(state.tokens)
        self._ends = list(accumulate(map(len, state.tokens), initial=0))
        self._default_indent, self._default_newline = tree.default_indent, tree.default_newline
        self._indents = state.indents
        self._whole = state.whole
        self._core = state.core

    def core(self, node: cst.CSTNode) -> Span:
        """Without the parentheses around an expression, or the comments above a statement."""
        first, last = self._core.get(node) or self._whole[node]
        return self._ends[first], self._ends[last]

    def whole(self, node: cst.CSTNode) -> Span:
        """With them."""
        first, last = self._whole[node]
        return self._ends[first], self._ends[last]

    def written(self, new: cst.CSTNode, instead_of: cst.CSTNode) -> str:
        """The text of a new node where the old one stands: lines inside brackets are indented like its block."""
        state = CodegenState(self._default_indent, self._default_newline, indent_tokens=list(self._indents[instead_of]))
        new._codegen(state)
        return "".join(state.tokens)


class _State(CodegenState):
    """Counts tokens: a node's first one, and the one after its last."""

    def __init__(self, indent: str, newline: str) -> None:
        super().__init__(indent, newline)
        self.whole: dict[cst.CSTNode, Span] = {}
        self.core: dict[cst.CSTNode, Span] = {}
        self.indents: dict[cst.CSTNode, tuple[str, ...]] = {}
        self._open: list[int] = []
        self._indent: tuple[str, ...] = ()

    def increase_indent(self, value: str) -> None:
        super().increase_indent(value)
        self._indent = tuple(self.indent_tokens)

    def decrease_indent(self) -> None:
        super().decrease_indent()
        self._indent = tuple(self.indent_tokens)

    def before_codegen(self, node: cst.CSTNode) -> None:
        self._open.append(len(self.tokens))
        self.indents[node] = self._indent

    def after_codegen(self, node: cst.CSTNode) -> None:
        self.whole[node] = (self._open.pop(), len(self.tokens))

    @contextmanager
    def record_syntactic_position(
        self, node: cst.CSTNode, *, start_node: cst.CSTNode | None = None, end_node: cst.CSTNode | None = None
    ) -> Iterator[None]:
        first = len(self.tokens)
        yield
        last = len(self.tokens)
        if start_node is not None:
            first = (self.core.get(start_node) or self.whole[start_node])[0]
        if end_node is not None:
            last = (self.core.get(end_node) or self.whole[end_node])[1]
        self.core.setdefault(node, (first, last))
