"""How often each rule was broken, the most frequent first."""

from __future__ import annotations

from collections import Counter

from modscope.findings import Report
from modscope.text import inline


def render(report: Report) -> str:
    """One line per rule: findings, the mark [*] where some can be fixed, the rule."""
    counts = Counter(finding.rule for finding in report)
    fixable = {finding.rule for finding in report if finding.fix is not None}
    width = len(str(max(counts.values(), default=0)))
    mark = "[*] " if fixable else ""
    return "\n".join(
        f"{count:>{width}}  {mark if rule in fixable else ' ' * len(mark)}{inline(rule)}"
        for rule, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
