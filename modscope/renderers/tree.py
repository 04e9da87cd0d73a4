"""The registered tree as indented text, as Python would print it: types, settings, parameters."""

from __future__ import annotations

from modscope.data import ModuleTree, Trace
from modscope.renderers._rows import Row, params_text, rows
from modscope.text import clip, line, visible


def render(thing: Trace | ModuleTree, *, depth: int | None = None) -> str:
    """One line per module, children below their parents; `depth` leaves out what is deeper (0: the root alone)."""
    shown = rows(thing, depth)
    last = _last_of_their_parents(shown)
    lines = []
    open_levels: list[bool] = []  # for each level above: whether more siblings follow
    for row, is_last in zip(shown, last, strict=True):
        del open_levels[max(row.depth - 1, 0) :]
        lead = "".join("│  " if more else "   " for more in open_levels)
        if row.depth:
            lead += "└─ " if is_last else "├─ "
            open_levels.append(not is_last)
        lines.append(line(lead + _row(row)))
    return "\n".join(lines)


def _last_of_their_parents(shown: list[Row]) -> list[bool]:
    """For each row whether no sibling follows; read backwards, so that one pass is enough."""
    last: list[bool] = []
    followed: list[bool] = []  # by depth: whether a row of that depth was met since the last shallower one
    for row in reversed(shown):
        del followed[row.depth + 1 :]
        followed.extend([False] * (row.depth + 1 - len(followed)))
        last.append(not followed[row.depth])
        followed[row.depth] = True
    return last[::-1]


def _row(row: Row) -> str:
    settings = "" if row.again else " ".join(row.module.extra_repr.split())
    what = visible(f"{row.module.type}({clip(settings, 60)})" if settings else row.module.type)
    name = "" if row.depth == 0 else f"{clip(visible(row.name), 60)}: "
    counted = f"  {params_text(row)}" if row.params else ""
    marks = "".join(f"  [{clip(visible(mark.text), 100)}]" for mark in row.marks)
    return f"{name}{clip(what, 100)}{counted}{marks}"
