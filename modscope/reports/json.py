"""A JSON list with one object per finding; the keys are the fields of Finding."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from modscope.findings import Finding, Report


def render(report: Report) -> str:
    """Pure ASCII: whatever a file is called, the text is valid UTF-8, and `json.loads` gives the name back."""
    return json.dumps([record(finding) for finding in report], indent=2)


def record(finding: Finding) -> dict[str, Any]:
    """A finding as a JSON object."""
    return asdict(finding)
