"""Lines for a terminal and for the logs of continuous integration, which run what looks like a command."""

from __future__ import annotations

from modscope.findings import Finding
from modscope.text import line

RED, CYAN, BOLD, PLAIN = "\x1b[31m", "\x1b[36m", "\x1b[1m", "\x1b[0m"


def place(finding: Finding) -> str:
    """`file:line:column`, `file:cell 2:line:column`, or the module's path where there is no source."""
    where = finding.location
    if where is None:
        return line(finding.path or "(root)")
    cell = f"cell {where.cell}:" if where.cell is not None else ""
    return line(f"{where.file}:{cell}{where.line}:{where.column}")


def paint(text: str, style: str, color: bool) -> str:
    """In colour, if wanted."""
    return f"{style}{text}{PLAIN}" if color else text
