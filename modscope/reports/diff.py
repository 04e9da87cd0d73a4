"""What the fixes change, as a unified diff."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from io import StringIO

from modscope.findings import Report, Rewrite
from modscope.text import inline, line


def render(report: Report) -> str:
    """One diff per file, for `patch` and `git apply` too; a line that a terminal would obey is shown instead."""
    return "\n".join(map("\n".join, map(_difference, report.rewrites)))


def _difference(rewrite: Rewrite) -> Iterator[str]:
    name = inline(rewrite.file)
    for each in unified_diff(_lines(rewrite.before), _lines(rewrite.after), name, name):
        text = each.removesuffix("\n").removesuffix("\r")
        yield text[:1] + "\t".join(line(part) for part in text[1:].split("\t")) + "\r" * each.endswith("\r\n")
        if not each.endswith("\n"):
            yield "\\ No newline at end of file"


def _lines(content: bytes) -> list[str]:
    return list(StringIO(content.decode("utf-8", "backslashreplace"), newline="\n"))
