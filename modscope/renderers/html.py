"""One self-contained card for notebooks: works and folds without scripts, in light and dark.

JupyterLab's sanitizer drops style sheets, scripts, ids and data attributes; so styles are inline, folding is
`<details>`, and colours are the page's own ink, more or less transparent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape

from modscope.data import ModuleTree, Trace
from modscope.renderers._repeats import fold_rows
from modscope.renderers._rows import LEGEND, Mark, Row, rows
from modscope.renderers.summary import COLUMNS, default_columns, facts, known_columns, title
from modscope.text import clip, visible

# A card is a few tens of kB: what is past this many rows is counted, not shown.
MOST_ROWS = 400
# So many rows of the tree are open at first.
OPEN_ROWS = 30

CARD = "font-size:13px;line-height:1.5;max-width:72em;border:1px solid #8886;padding:8px 12px"
LINE = "border-top:1px solid #8883;padding:1px 0;overflow:hidden"
FAINT = "opacity:0.65"
BADGE = "border:1px solid;padding:0 4px;font-size:11px;margin-left:6px"
CELLS = "float:right;text-align:right"
CELL = "display:inline-block;overflow:hidden;height:1.5em"
COLOURS = {
    "raised": "#e5484d",
    "unregistered": "#e5484d",
    "never called": "#d97706",
    "not seen": "#d97706",
    "hidden": "#d97706",
    "calls": "#8b5cf6",
}
WIDTHS = {"output": 15, "input": 15, "settings": 28, "path": 20}  # in em


def render(thing: Trace | ModuleTree, *, depth: int | None = None, columns: Sequence[str] | None = None) -> str:
    """HTML of a card: title, foldable rows of modules, totals; options as in the summary format.

    Of siblings that are all alike the first is shown, and how many more there are. A module that holds others shows
    its own parameters or, where it has none, the sum of what is below it.
    """
    shown = fold_rows(rows(thing, depth))
    names = default_columns(thing, shown) if columns is None else known_columns(columns)
    names = [name for name in names if name not in ("module", "type", "notes")]
    body = [f'<div style="{LINE};{FAINT}">{_cells(names, lambda name: COLUMNS[name].heading)}module</div>']
    body += _body(shown, names)
    if len(shown) > MOST_ROWS:
        body.append(f'<div style="{LINE}">… and {len(shown) - MOST_ROWS:,} modules more</div>')
    below = "".join(f"<div>{_shown(line)}</div>" for line in facts(thing))
    return (
        f'<div style="{CARD}"><b>{_shown(title(thing))}</b>{"".join(body)}'
        f'<div style="{LINE};{FAINT}">{below}{_legend(shown)}</div></div>'
    )


def _body(shown: Sequence[Row], names: Sequence[str]) -> Iterator[str]:
    below = _sums_below(shown)
    opened: list[int] = []  # depths of the modules whose inside is being written
    for number, row in enumerate(shown[:MOST_ROWS]):
        while opened and opened[-1] >= row.depth:
            opened.pop()
            yield "</div></details>"
        text = _row(row, names, below[number])
        if row.leaf:
            yield f'<div style="{LINE};padding-left:14px">{text}</div>'
        else:
            unfolded = " open" if number < OPEN_ROWS and row.depth < 3 else ""
            yield f'<details{unfolded}><summary style="{LINE}">{text}</summary><div style="padding-left:18px">'
            opened.append(row.depth)
    yield "</div></details>" * len(opened)


def _sums_below(shown: Sequence[Row]) -> list[int]:
    """For each row the registered parameters of the rows below it; read backwards, so that one pass is enough."""
    sums: list[int] = []
    open_sums: list[int] = []  # by depth: what was met there and deeper since the last shallower row
    for row in reversed(shown):
        below = sum(open_sums[row.depth + 1 :])
        del open_sums[row.depth + 1 :]
        open_sums.extend([0] * (row.depth + 1 - len(open_sums)))
        sums.append(below)
        open_sums[row.depth] += below + (row.params if row.module.registered else 0)
    return sums[::-1]


def _row(row: Row, names: Sequence[str], below: int) -> str:
    def text(name: str) -> str:
        return f"Σ {below:,}" if name == "params" and below and not row.params else COLUMNS[name].text(row)

    name = "" if row.depth == 0 else f"<b>{_shown(row.name)}</b> "
    return f"{_cells(names, text)}{name}{_shown(row.module.type)}{''.join(map(_badge, row.marks))}"


def _badge(mark: Mark) -> str:
    colour = f";color:{COLOURS[mark.word]}" if mark.word in COLOURS else ""
    return f'<span style="{BADGE}{colour}">{_shown(mark.text)}</span>'


def _cells(names: Sequence[str], text: Callable[[str], str]) -> str:
    cells = (f'<span style="{CELL};width:{WIDTHS.get(name, 8)}em">{_shown(text(name))}</span>' for name in names)
    return f'<span style="{CELLS}">{"".join(cells)}</span>'


def _legend(shown: Sequence[Row]) -> str:
    met = {mark.word for row in shown for mark in row.marks}
    return "".join(f"<div>{word}: {meaning}</div>" for word, meaning in LEGEND.items() if word in met)


def _shown(text: str) -> str:
    return escape(clip(visible(text), 120))
