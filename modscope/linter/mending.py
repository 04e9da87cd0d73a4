"""Fixes put into a text: which go together, whether the result is what the fixes said, until nothing is left."""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from modscope.findings import Edit, Finding
from modscope.linter.text import SourceText, UnreadableSource, parse

Level = Literal["safe", "unsafe"]
_ROUNDS = 10
_PROOFS = 20_000_000  # bytes that are parsed, at most, to tell which of the fixes of one file are not to be made


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
    chosen = list(_proven(data, list(_apart(findings))))
    return chosen, apply(data, chosen) if chosen else data


def _proven(data: bytes, findings: list[Finding]) -> Iterator[Finding]:
    """Those that do what they say and nothing else: all together, else those of each half that do."""
    waiting, left = [findings], _PROOFS // len(data) + 1 if data else 1
    while waiting and left:
        several = waiting.pop()
        if not several:
            continue
        left -= 1
        if keeps_the_rest(data, apply(data, several), edits_of(several)):
            yield from several
        elif len(several) > 1:
            middle = len(several) // 2
            waiting += several[middle:], several[:middle]


def _apart(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Those of which no two touch the same bytes; the same text added twice is added once."""
    taken: list[Edit] = []  # in order, none touches another
    for finding in findings:
        edits = finding.fix.edits if finding.fix else ()
        places = [bisect_left(taken, edit.start, key=_start) for edit in edits]
        if not any(_overlap(edit, other) for edit, at in zip(edits, places, strict=True) for other in _near(taken, at)):
            for edit in edits:
                at = bisect_left(taken, edit.start, key=_start)
                if taken[at : at + 1] != [edit]:
                    taken.insert(at, edit)
            yield finding


def _near(taken: list[Edit], place: int) -> list[Edit]:
    return taken[max(0, place - 1) : place + 1]


def _start(edit: Edit) -> int:
    return edit.start


def _overlap(one: Edit, other: Edit) -> bool:
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
            text, gone = edit.text.encode(new.encoding), before[edit.start : edit.end]
            start = edit.start + shift
            # what is added or taken away at the end of a statement belongs to it, unless it is lines
            beside = not (text and gone) and not (text or gone).endswith((b"\n", b"\r"))
            in_old.append(_Touched(edit.start, edit.end, beside))
            in_new.append(_Touched(start, start + len(text), beside))
            shift += len(text) - len(gone)
        return list(_outline(old, in_old)) == list(_outline(new, in_new))
    except (UnreadableSource, UnicodeError, RecursionError):
        return False


@dataclass(frozen=True, slots=True)
class _Touched:
    """Bytes that are not what they are in the other text."""

    start: int
    end: int
    beside: bool  # what ends where they start, or starts where they end, is touched too

    def holds(self, start: int, end: int) -> bool:
        """Whether a part of these bytes belongs to the statement between two places."""
        if self.beside:
            return self.start <= end and start <= self.end
        return self.start < end and start < self.end


def _outline(source: SourceText, touched: list[_Touched]) -> Iterator[tuple[int, str]]:
    """Depth and meaning of every statement that touches none of these bytes; of a compound one its header."""
    ends = [each.end for each in touched]
    stack: list[tuple[int, ast.AST]] = [(0, node) for node in reversed(parse(source).body)]
    while stack:
        depth, node = stack.pop()
        inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, _PARTS)]
        stack += [(depth + 1, child) for child in reversed(inner)]
        start, end = _extent(node, inner, source)
        if not _touches(touched, bisect_left(ends, start), start, end):
            yield depth, _meaning(node)


def _touches(touched: list[_Touched], first: int, start: int, end: int) -> bool:
    """Whether one of these, from the first that does not end before the statement, holds a part of it."""
    for number in range(first, len(touched)):
        if touched[number].start > end:
            return False
        if touched[number].holds(start, end):
            return True
    return False


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
