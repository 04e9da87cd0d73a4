"""SARIF 2.1.0, the OASIS format for static analysis: GitHub code scanning, Azure DevOps and editors read it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from modscope import __version__
from modscope.findings import Finding, Fix, Location, Report, Severity
from modscope.reports._fingerprint import fingerprints
from modscope.reports._strict import dumps

if TYPE_CHECKING:
    from modscope.explain import Page

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "note"}


def render(report: Report) -> str:
    """One run with its rules, results, fixes, and what was not examined."""
    from modscope import explain

    rules = sorted({finding.rule for finding in report})
    pages = explain.known() if rules else {}
    results = [
        _result(finding, rules.index(finding.rule), mark)
        for finding, mark in zip(report, fingerprints(report), strict=True)
    ]
    run = {
        "tool": {
            "driver": {
                "name": "modscope",
                "version": __version__,
                "rules": [_rule(name, pages.get(name)) for name in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _notifications(report)}],
        "results": results,
    }
    return dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(name: str, page: Page | None) -> dict[str, Any]:
    if page is None:
        return {"id": name}
    return {
        "id": name,
        "shortDescription": {"text": page.harm},
        "help": {"text": page.text, "markdown": page.markdown()},
        "defaultConfiguration": {"enabled": page.default, "level": LEVELS[page.severity]},
    }


def _result(finding: Finding, index: int, fingerprint: str) -> dict[str, Any]:
    where = finding.location
    location: dict[str, Any] = {}
    if where is not None:
        location["physicalLocation"] = _physical(where, finding.source)
    if logical := _logical(finding):
        location["logicalLocations"] = logical
    cell = f"cell {where.cell}: " if where is not None and where.cell is not None else ""
    result = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": LEVELS[finding.severity],
        "message": {"text": cell + finding.message},
        "locations": [location] if location else [],
        "partialFingerprints": {"modscope/v1": fingerprint},
    }
    if where is not None and finding.fix is not None and (replacements := _replacements(finding.fix)):
        changes = {"artifactLocation": _artifact(where.file), "replacements": replacements}
        result["fixes"] = [{"description": {"text": finding.fix.message}, "artifactChanges": [changes]}]
    return result


def _physical(where: Location, source: str | None) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _artifact(where.file), "region": _region(where)}
    if source is not None and where.end_line in (None, where.line):  # the context holds the whole region
        physical["contextRegion"] = {"startLine": where.line, "snippet": {"text": source}}
    return physical


def _logical(finding: Finding) -> list[dict[str, str]]:
    """The class or function around it, and the module that was seen in a run."""
    found = [] if finding.scope is None else [{"fullyQualifiedName": finding.scope}]
    if finding.path is not None:
        found.append({"fullyQualifiedName": finding.path or "(root)", "kind": "torch.nn.Module"})
    return found


def _region(where: Location) -> dict[str, int]:
    region = {
        "startLine": where.line,
        "startColumn": where.column,
        "endLine": where.end_line,
        "endColumn": where.end_column,
    }
    return {name: number for name, number in region.items() if number is not None}


def _replacements(fix: Fix) -> list[dict[str, Any]]:
    """In lines and columns: bytes are for binary files, so a fix of which only those are known is left out."""
    regions = [_region(edit.where) for edit in fix.edits if edit.where]
    if len(regions) < len(fix.edits):
        return []
    return [
        {"deletedRegion": region, "insertedContent": {"text": edit.text}}
        for region, edit in zip(regions, fix.edits, strict=True)
    ]


def _notifications(report: Report) -> list[dict[str, Any]]:
    return [
        {
            "level": "warning",
            "message": {"text": f"not examined: {skip.reason}"},
            "locations": [{"physicalLocation": {"artifactLocation": _artifact(skip.file)}}],
        }
        for skip in report.skipped
    ]


def _artifact(file: str) -> dict[str, str]:
    """A URI; bytes of a name that are no UTF-8 come through as they are, percent-encoded."""
    try:
        name = file.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that no file system gave
        name = file.encode("utf-8", "replace")
    path = quote(name.replace(os.sep.encode(), b"/"))
    return {"uri": f"file:///{path.lstrip('/')}" if os.path.isabs(file) else path}
