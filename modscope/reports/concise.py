"""One line per finding: `path:line:column: rule message`."""

from __future__ import annotations

from modscope.findings import Finding, Report
from modscope.reports._terminal import BOLD, RED, paint, place
from modscope.text import inline


def render(report: Report, *, color: bool = False) -> str:
    """One line per finding, in the report's order."""
    return "\n".join(headline(finding, color) for finding in report)


def headline(finding: Finding, color: bool) -> str:
    """What `concise` says of a finding, and `full` begins with."""
    return f"{paint(place(finding), BOLD, color)}: {paint(inline(finding.rule), RED, color)} {inline(finding.message)}"
