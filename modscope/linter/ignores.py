"""Adopting the linter on an old code base: every finding gets a comment that ignores it, new ones will show."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from modscope import atomic, suppressions
from modscope.findings import Finding, Report
from modscope.linter.text import SourceText, UnreadableSource, read

NEVER = ("syntax-error", "unreadable-file", "unused-ignore")  # no comment answers these


def add_ignores(report: Report) -> Report:
    """Write the comments into the files; what is left is what no comment could hide.

    Notebooks are left as they are, and so are files whose bytes cannot be put back one by one.
    """
    lines: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for finding in report:
        if finding.location and finding.location.cell is None and finding.rule not in NEVER:
            lines[finding.location.file][finding.location.line].add(finding.rule)
    written = {file for file, rules in lines.items() if _write(file, {line: frozenset(rules[line]) for line in rules})}
    return replace(report, findings=tuple(each for each in report if not _answered(each, written)))


def _write(file: str, rules: dict[int, frozenset[str]]) -> bool:
    try:
        source = SourceText.decode(read(file), file)
    except UnreadableSource:
        return False
    if source.splices:
        added = suppressions.add(source.text, rules).encode(source.encoding)
        atomic.write(file, source.data[: source.mark] + added)
    return source.splices


def _answered(finding: Finding, written: set[str]) -> bool:
    where = finding.location
    return where is not None and where.file in written and where.cell is None and finding.rule not in NEVER
