"""What makes a finding the same finding after the lines above it have changed."""

from __future__ import annotations

import hashlib
from collections import Counter

from modscope.findings import Finding, Report


def fingerprints(report: Report) -> list[str]:
    """One for each finding, in the report's order: no line number goes in, and no two are equal."""
    seen: Counter[tuple[str, ...]] = Counter()
    found = []
    for finding in report:
        key = _key(finding)
        # equal findings of one file are told apart by their order
        text = "\0".join((*key, str(seen[key])))
        seen[key] += 1
        found.append(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
    return found


def _key(finding: Finding) -> tuple[str, ...]:
    where = finding.location
    place = "" if where is None else where.file.replace("\\", "/")
    return (finding.rule, place, finding.path or "", finding.scope or "", (finding.source or "").strip())
