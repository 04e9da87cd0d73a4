"""What LibCST must not be given: text on which it would end the process, or the day.

CPython's own parser refuses what nests too deeply and is fast on the rest, so its tree tells what LibCST would meet:
it recurses on the machine's stack for every level and every operand, takes squared time for a chain of calls, and
doubles its time with every bracket of a `case`. Measured with LibCST 1.9.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from modscope.linter.text import SourceText, UnreadableSource

_DEEPEST = 150  # levels of expressions and statements
_LONGEST = 1_500  # operands of one `and`
_DEEPEST_PATTERN = 6
_TEXTS = re.compile(r"'{3}.*?'{3}|\"{3}.*?\"{3}|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|#[^\n]*", re.DOTALL)


class Refusal(UnreadableSource):
    """What LibCST could read, but at too high a price."""


def guard(root: ast.stmt, walked: tuple[Mapping[type, list[Any]], int], source: SourceText) -> None:
    """Raise Refusal where a class or statement, walked already, is more than LibCST can take."""
    nodes, depth = walked
    if depth > _DEEPEST:
        raise _refusal(root, "it is nested too deeply")
    operands = [len(node.values) for node in nodes.get(ast.BoolOp, ())]
    operands += [len(node.comparators) for node in nodes.get(ast.Compare, ())]
    if max(operands, default=0) > _LONGEST:
        raise _refusal(root, "an expression with too many operands")
    for node in nodes.get(ast.Match, ()):
        if max(map(_depth, _patterns(node, source))) > _DEEPEST_PATTERN:
            raise _refusal(root, "a `case` is nested too deeply")


def _patterns(node: ast.Match, source: SourceText) -> list[str]:
    """The text between `match` or the last `case` and each body: the parentheses in it are not in the tree."""
    bodies = [(case.body[0], case.body[-1]) for case in node.cases]
    starts = [source.place(node.lineno, node.col_offset)]
    starts += [source.place(last.end_lineno, last.end_col_offset) for _, last in bodies]
    ends = [source.place(first.lineno, first.col_offset) for first, _ in bodies]
    return [source.text[start:end] for start, end in zip(starts, ends, strict=False)]


def _depth(text: str) -> int:
    """How deep brackets nest in a text, strings and comments left out."""
    deepest = depth = 0
    for character in _TEXTS.sub("", text):
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def _refusal(root: ast.stmt, reason: str) -> Refusal:
    return Refusal("unreadable-file", f"not examined: {reason}", root.lineno, root.col_offset + 1)
