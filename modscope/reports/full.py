"""The line of `concise`, then the source line underlined, notes, and what helps."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Finding, Location, Report
from modscope.reports._terminal import CYAN, RED, paint
from modscope.reports.concise import headline
from modscope.text import inline, width

WINDOW = 160  # characters shown of a source line; some lines have a million


def render(report: Report, *, color: bool = False) -> str:
    """One block per finding, a blank line between two."""
    return "\n\n".join("\n".join(_block(finding, color)) for finding in report)


def _block(finding: Finding, color: bool) -> Iterator[str]:
    yield headline(finding, color)
    where = finding.location
    margin = " " * len(str(where.line)) if where else ""
    bar = paint("|", CYAN, color)
    if where is not None and finding.source is not None:
        shown, before, underlined = _window(finding.source, where)
        yield f"{margin} {bar}"
        yield f"{paint(str(where.line), CYAN, color)} {bar} {shown}".rstrip()
        yield f"{margin} {bar} {' ' * before}{paint('^' * underlined, RED, color)}"
        yield f"{margin} {bar}"
    for kind, text in _remarks(finding):
        yield f"{margin} {paint('=', CYAN, color)} {paint(f'{kind}:', CYAN, color)} {inline(text)}"


def _window(source: str, where: Location) -> tuple[str, int, int]:
    """The part of the line to show, the columns before the underline, and its length."""
    source = source.rstrip("\r\n")
    start = min(where.column - 1, len(source))
    end = where.end_column - 1 if where.end_line in (None, where.line) and where.end_column else len(source)
    end = min(max(end, start), len(source))
    left = max(0, start - WINDOW // 2) if len(source) > WINDOW else 0
    right = left + WINDOW
    parts = [_shown(each) for each in (source[left:start], source[start : min(end, right)], source[end:right])]
    head, tail = "…" if left else "", "…" if len(source) > right else ""
    return head + "".join(parts) + tail, width(head + parts[0]), max(1, width(parts[1]))


def _shown(source: str) -> str:
    return inline(source.replace("\t", "    "))


def _remarks(finding: Finding) -> Iterator[tuple[str, str]]:
    if finding.location is not None and finding.path is not None:
        yield "note", f"seen in the run at {finding.path or '(root)'}"
    if finding.scope is not None:
        yield "note", f"in {finding.scope}"
    if finding.fix is not None:
        yield "help", f"{finding.fix.message} ({'--fix' if finding.fix.safe else '--fix --unsafe-fixes'})"
    if finding.no_fix is not None:
        yield "note", f"no fix here: {finding.no_fix}"
