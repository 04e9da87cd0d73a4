"""One JSON object per finding, one per line."""

from __future__ import annotations

import json

from modscope.findings import Report
from modscope.reports.json import record


def render(report: Report) -> str:
    """The objects of `json`, each on its line."""
    return "\n".join(json.dumps(record(finding)) for finding in report)
