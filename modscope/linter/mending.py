"""Fixes put into a text: which go together, whether the result is what the fixes said, until nothing is left."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from modscope.findings import Edit, Finding
from modscope.linter.text import SourceText, UnreadableSource, parse

Level = Literal["safe", "unsafe"]
_ROUNDS = 10


def mend(
    data: bytes, check: Callable[[bytes], list[Finding]], level: Level
) -> tuple[bytes, list[Finding], list[Finding]]:
    """The text with all fixes up to `level`, what was mended, and what is left."""
    mended: list[Finding] = []
    findings = check(data)
    for _ in range(_ROUNDS):
        fixable = [each for each in findings if each.fix and (each.fix.safe or level == "unsafe")]
        chosen, data_after = _together(data, fixable)
        if not chosen:
            break
        data, findings = data_after, check(data_after)
        mended += chosen
    return data, mended, findings


def _together(data: bytes, findings: list[Finding]) -> tuple[list[Finding], bytes]:
    """The fixes that do not overlap (the first rule by name wins), and the text with them."""
    findings = sorted(findings, key=lambda each: each.rule)
    chosen = list(_apart(findings))
    if not chosen:
        return [], data
    after = apply(data, chosen)
    if not keeps_the_rest(data, after, edits_of(chosen)):
        # one of them does what it should not: each has to prove itself
        chosen = [each for each in chosen if keeps_the_rest(data, apply(data, [each]), edits_of([each]))]
        after = apply(data, chosen)
    return chosen, after


def _apart(findings: Iterable[Finding]) -> Iterator[Finding]:
    taken: list[Edit] = []
    for finding in findings:
        edits = finding.fix.edits if finding.fix else ()
        if not any(_overlap(edit, other) for edit in edits for other in taken):
            taken += edits
            yield finding


def _overlap(one: Edit, other: Edit) -> bool:
    """Whether two edits touch the same bytes; the same import added twice is one edit."""
    if one == other and one.start == one.end:
        return False
    return one.start <= other.end and other.start <= one.end


def edits_of(findings: Iterable[Finding]) -> list[Edit]:
    """Their edits in order, each once."""
    return sorted({edit for each in findings if each.fix for edit in each.fix.edits}, key=lambda edit: edit.start)


def apply(data: bytes, findings: Iterable[Finding]) -> bytes:
    """The bytes with the edits of these findings; every other byte stays."""
    encoding = SourceText.decode(data).encoding
    pieces, place = [], 0
    for edit in edits_of(findings):
        pieces += [data[place : edit.start], edit.text.encode(encoding)]
        place = edit.end
    return b"".join((*pieces, data[place:]))


def keeps_the_rest(before: bytes, after: bytes, edits: list[Edit]) -> bool:
    """Whether the new text parses, and every statement that no edit touched is what it was."""
    try:
        old, new = SourceText.decode(before), SourceText.decode(after)
        shift = 0
        in_old, in_new = [], []
        for edit in edits:
            text = edit.text.encode(new.encoding)
            start = edit.start + shift
            in_old.append(_Touched(edit.start, edit.end, text))
            in_new.append(_Touched(start, start + len(text), before[edit.start : edit.end]))
            shift += len(text) - (edit.end - edit.start)
        return list(_outline(old, in_old)) == list(_outline(new, in_new))
    except (UnreadableSource, UnicodeError, RecursionError):
        return False


@dataclass(frozen=True, slots=True)
class _Touched:
    """Bytes of one text, and what stands instead of them in the other."""

    start: int
    end: int
    instead: bytes

    def holds(self, start: int, end: int) -> bool:
        """Whether a part of these bytes belongs to the statement between two places."""
        if self.start < self.end or self.instead.endswith((b"\n", b"\r")):
            return self.start < end and start < self.end
        return self.start <= end and start <= self.end  # what was added at an end belongs to it, unless it is lines


def _outline(source: SourceText, touched: list[_Touched]) -> Iterator[tuple[int, str]]:
    """Depth and meaning of every statement that touches none of these bytes; of a compound one its header."""
    stack: list[tuple[int, ast.AST]] = [(0, node) for node in reversed(parse(source).body)]
    while stack:
        depth, node = stack.pop()
        inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, _PARTS)]
        stack += [(depth + 1, child) for child in reversed(inner)]
        start, end = _extent(node, inner, source)
        if not any(each.holds(start, end) for each in touched):
            yield depth, _meaning(node)


_PARTS = (ast.stmt, ast.ExceptHandler, ast.match_case)


def _extent(node: ast.AST, inner: Sequence[ast.AST], source: SourceText) -> tuple[int, int]:
    """The bytes of a statement, of a compound one up to its first inner statement."""
    at: Any = node.pattern if isinstance(node, ast.match_case) else node
    start = source.byte(source.place(at.lineno, at.col_offset))
    if inner:
        return start, _extent(inner[0], [], source)[0]
    return start, source.byte(source.place(at.end_lineno, at.end_col_offset))


def _meaning(node: ast.AST) -> str:
    """What the statement says, without what stands in its body."""
    own = [type(node).__name__]
    for name, value in ast.iter_fields(node):
        if not (isinstance(value, list) and any(isinstance(each, _PARTS) for each in value)):
            values = value if isinstance(value, list) else [value]
            own += [name, *(ast.dump(each) if isinstance(each, ast.AST) else repr(each) for each in values)]
    return " ".join(own)
