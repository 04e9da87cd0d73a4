"""What was seen as a table, one row per module; for a comparison, what it found."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from modscope.data import ModuleTree, Trace
from modscope.errors import ModscopeError
from modscope.graph import Comparison, Reordered
from modscope.renderers._rows import LEGEND, Row, output_text, params_text, rows, shapes_text
from modscope.text import clip, line, pad, visible
from modscope.text import width as columns_of

WIDEST_CELL = 80
NARROWEST_CELL = 6
LONGEST_TITLE = 120
LONGEST_MESSAGE = 2000
MOST_ESCAPES = 8


def render(
    thing: Trace | ModuleTree | Comparison,
    *,
    depth: int | None = None,
    columns: Sequence[str] | None = None,
    width: int | None = None,
) -> str:
    """A table of modules, totals and a legend; after a forward that raised, the table up to the failing call.

    `depth` hides modules nested deeper (their parameters count with the row above), `columns` chooses among COLUMNS,
    `width` is the number of terminal columns to fit into. Parameters are counted once, so that the column adds up to
    the total; those of unregistered modules stand in parentheses and are not counted.
    """
    if isinstance(thing, Comparison):
        return "\n".join(map(line, _comparison(thing)))
    shown = rows(thing, depth)
    names = default_columns(thing, shown) if columns is None else known_columns(columns)
    table = [[COLUMNS[name].heading for name in names]]
    table += [[clip(visible(COLUMNS[name].text(row)), WIDEST_CELL) for name in names] for row in shown]
    lines = _aligned(table, [COLUMNS[name].right for name in names], width)
    rule = "─" * max(map(columns_of, lines))
    heading = clip(title(thing), max(len(rule), width or LONGEST_TITLE))
    below = [*facts(thing), *_legend(shown)]
    return "\n".join(map(line, [heading, rule, lines[0], rule, *lines[1:], rule, *below]))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: its heading and what it says of a row."""

    heading: str
    text: Callable[[Row], str]
    right: bool = False


def _input_text(row: Row) -> str:
    return shapes_text(row.calls[0].input_shapes) or "–" if row.calls else "–"


def _cost(field: str) -> Callable[[Row], str]:
    def text(row: Row) -> str:
        counts = [getattr(call, field) for call in row.calls if not call.during_backward]
        if not counts or None in counts:
            return "–"
        at_least = "≥ " if any(call.unknown_flops for call in row.calls) else ""
        return at_least + scaled(sum(counts))

    return text


COLUMNS = {
    "module": Column("module", lambda row: "  " * row.depth + row.name),
    "path": Column("path", lambda row: row.path or "(root)"),
    "type": Column("type", lambda row: row.module.type),
    "settings": Column("settings", lambda row: " ".join(row.module.extra_repr.split())),
    "input": Column("input", _input_text),
    "output": Column("output", output_text),
    "params": Column("params", params_text, right=True),
    "buffers": Column("buffers", lambda row: f"{sum(b.spec.numel for b in row.module.buffers):,}", right=True),
    "calls": Column("calls", lambda row: str(len(row.calls)), right=True),
    "training": Column("training", lambda row: "train" if row.module.training else "eval"),
    "flops": Column("FLOPs", _cost("flops"), right=True),
    "macs": Column("MACs", _cost("macs"), right=True),
    "notes": Column("notes", lambda row: "; ".join(mark.text for mark in row.marks)),
}


def default_columns(thing: Trace | ModuleTree, shown: Sequence[Row]) -> list[str]:
    """What is worth a column here: output shapes of a run, costs where computed, notes where there are any."""
    ran = isinstance(thing, Trace)
    costs = isinstance(thing, Trace) and thing.recorded.costs
    return [
        *("module", "type"),
        *(("output",) if ran else ("settings",)),
        "params",
        *(("flops", "macs") if costs else ()),
        *(("notes",) if any(row.marks for row in shown) else ()),
    ]


def known_columns(columns: Sequence[str]) -> Sequence[str]:
    """The names as they are; ModscopeError for one that is no column."""
    for name in columns:
        if name not in COLUMNS:
            raise ModscopeError(f"no column {name!r}; columns are {', '.join(COLUMNS)}")
    if not columns:
        raise ModscopeError(f"columns is empty; columns are {', '.join(COLUMNS)}")
    return columns


def _aligned(table: list[list[str]], right: list[bool], width: int | None) -> list[str]:
    widths = [max(map(columns_of, cells)) for cells in zip(*table, strict=True)]
    gaps = 2 * (len(widths) - 1)
    if width is not None:
        while sum(widths) + gaps > width:
            widest = max((i for i, fixed in enumerate(right) if not fixed), key=widths.__getitem__, default=None)
            if widest is None or widths[widest] <= NARROWEST_CELL:
                break  # numbers are never cut
            widths[widest] -= 1
    return [
        "  ".join(
            pad(clip(cell, size), size, side) for cell, size, side in zip(cells, widths, right, strict=True)
        ).rstrip()
        for cells in table
    ]


def title(thing: Trace | ModuleTree) -> str:
    """What it is and how much of it."""
    tree = thing.tree if isinstance(thing, Trace) else thing
    parts = [visible(tree.root.type), _many(len(tree), "module")]
    if isinstance(thing, Trace):
        parts += [_many(len(thing.calls), "call")]
        parts += [_many(len(thing.ops), "op")] if thing.recorded.ops else ["ops not recorded"]
    if thing.origin != "real":
        parts.append(thing.origin)
    return " · ".join(parts)


def facts(thing: Trace | ModuleTree) -> Iterator[str]:
    """Lines below the table: totals, what could not be seen, what ended the forward."""
    tree = thing.tree if isinstance(thing, Trace) else thing
    trainable = tree.trainable_params
    share = "all trainable" if trainable == tree.total_params else f"{trainable:,} trainable"
    yield f"parameters  {tree.total_params:,} ({share})" if tree.total_params else "parameters  none"
    if tree.total_buffers:
        yield f"buffers     {tree.total_buffers:,}"
    yield f"size        {scaled(tree.total_bytes)}B"
    if isinstance(thing, Trace):
        yield from _run_facts(thing)


def _run_facts(trace: Trace) -> Iterator[str]:
    roots = [call for call in trace.calls if call.parent is None and not call.during_backward]
    flops = [call.flops for call in roots if call.flops is not None]
    if trace.recorded.costs and flops:
        macs = sum(call.macs or 0 for call in roots)
        yield f"FLOPs       {scaled(sum(flops)).strip()} ({scaled(macs).strip()} MACs)"
        unknown: Counter[str] = Counter()
        for call in roots:
            unknown.update(dict(call.unknown_flops))
        if unknown:
            names = ", ".join(name if count == 1 else f"{name} × {count}" for name, count in sorted(unknown.items()))
            yield f"not counted {visible(names)}: no formula knows them"
        made, peak = trace.activation_bytes, trace.peak_activation_bytes
        yield f"activations {scaled(made)}B; without a backward, at most {scaled(peak)}B at once"
    yield from _escapes(trace)
    for title, notes in (("blind spot", trace.blind_spots), ("not undone", trace.not_undone)):
        for note in notes:
            yield f"{title}  {visible(note.message)}"
    if trace.error is not None:
        where = ""
        if trace.error.call is not None:
            call = trace.calls[trace.error.call]
            received = shapes_text(call.input_shapes) or "no tensor"
            where = f" in {visible(call.path or '(root)')} ({visible(call.type)}, got {received})"
        what = f"{trace.error.type}: {trace.error.message}"
        yield f"raised{where}: {clip(visible(what), LONGEST_MESSAGE)}"
        if trace.error.location is not None:
            yield f"  at {visible(PurePath(trace.error.location.file).name)}:{trace.error.location.line}"
        yield from (f"  {visible(hint)}" for hint in trace.error.hints)


def _escapes(trace: Trace) -> Iterator[str]:
    """The lines where numbers leave, each with the modules that ran it."""
    modules: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for path, ops in trace.escapes_by_module.items():
        for op in ops:
            where = f"{PurePath(op.location.file).name}:{op.location.line}" if op.location is not None else "?"
            modules[where, op.name][path] = None
    for (where, name), (path, *others) in list(modules.items())[:MOST_ESCAPES]:
        met = f"{path or '(root)'} and {len(others)} more" if others else path or "(root)"
        yield f"escape      {visible(f'{name} at {where} in {met}')}: a number leaves for Python"
    if len(modules) > MOST_ESCAPES:
        yield f"escape      {_many(len(modules) - MOST_ESCAPES, 'line')} more: trace.escapes_by_module has all"


def _legend(shown: Sequence[Row]) -> Iterator[str]:
    met = {mark.word for row in shown for mark in row.marks}
    size = max(map(len, met), default=0)
    for word, meaning in LEGEND.items():
        if word in met:
            yield f"{word:<{size}}  {meaning}"


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield f"{visible(comparison.root)}: {_many(len(comparison.called), 'registered module')} called"
    lists = {
        "never called": comparison.never_called,
        "used": comparison.used,
        "not seen": comparison.unknown,
        "unregistered": comparison.unregistered,
        "calls": [f"{each.path or '(root)'} × {each.calls}" for each in comparison.reused],
    }
    for word, paths in lists.items():
        if paths:
            yield f"{word} ({LEGEND[word]}):"
            yield from (f"  {visible(path or '(root)')}" for path in paths)
    alike: dict[Any, list[Reordered]] = defaultdict(list)
    for order in comparison.reordered:
        alike[order.pattern].append(order)
    for (registered, called), (first, *others) in alike.items():
        more = f" (and of {_many(len(others), 'module')} more)" if others else ""
        yield f"children of {visible(first.path or '(root)')}{more} are called in another order than registered:"
        yield f"  registered  {visible(', '.join(registered))}"
        yield f"  called      {visible(', '.join(called))}"
    if comparison.agrees:
        yield "all that is registered took part, and nothing else"


def scaled(count: int) -> str:
    """`124.4 M`: three digits and more before the point, with the unit's letter."""
    for letter, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {letter}"
    return f"{count} "


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """A table that shows itself: text when printed, HTML in a notebook."""

    thing: Trace | ModuleTree
    depth: int | None = None
    columns: tuple[str, ...] | None = None
    width: int | None = None  # None: as wide as the terminal, without one as wide as needed

    def __post_init__(self) -> None:
        if self.columns is not None:
            known_columns(self.columns)

    def __str__(self) -> str:
        width = self.width or shutil.get_terminal_size((0, 0)).columns or None
        return render(self.thing, depth=self.depth, columns=self.columns, width=width)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from modscope.renderers.html import render as render_html

        return render_html(self.thing, depth=self.depth, columns=self.columns)
