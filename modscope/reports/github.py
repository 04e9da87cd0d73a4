"""Workflow commands of GitHub Actions: each finding becomes an annotation on its line."""

from __future__ import annotations

from modscope.findings import Finding, Report, Severity
from modscope.reports._terminal import place
from modscope.text import inline

LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "notice"}


def render(report: Report) -> str:
    """One command per finding. Its text can hold no other: line ends are written %0A, as GitHub asks."""
    return "\n".join(_command(finding) for finding in report)


def _command(finding: Finding) -> str:
    properties = {"title": f"modscope ({finding.rule})"}
    if (where := finding.location) is not None:
        properties |= {"file": where.file, "line": str(where.line), "col": str(where.column)}
        if where.end_line is not None:
            properties["endLine"] = str(where.end_line)
        # GitHub reads endColumn only where it is on the same line
        if where.end_column is not None and where.end_line in (None, where.line):
            properties["endColumn"] = str(where.end_column)
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{LEVELS[finding.severity]} {written}::{place(finding)}: {_data(f'{finding.rule} {finding.message}')}"


def _data(text: str) -> str:
    for char, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(char, code)
    return inline(text)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
