"""GitLab's code quality report: the form of Code Climate that its merge requests read."""

from __future__ import annotations

from modscope.findings import Finding, Report, Severity
from modscope.reports._fingerprint import fingerprints
from modscope.reports._strict import dumps

SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.ADVICE: "info"}


def render(report: Report) -> str:
    """A JSON list; an issue keeps its fingerprint when the lines above it change."""
    return dumps([_issue(finding, mark) for finding, mark in zip(report, fingerprints(report), strict=True)])


def _issue(finding: Finding, fingerprint: str) -> dict[str, object]:
    where = finding.location
    # an issue without a file is no issue to GitLab; a run-time finding names its module instead
    path, line = (finding.path or "(root)", 1) if where is None else (where.file, where.line)
    return {
        "check_name": finding.rule,
        "description": finding.message,
        "severity": SEVERITIES[finding.severity],
        "fingerprint": fingerprint,
        "location": {"path": path, "lines": {"begin": line}},
    }
