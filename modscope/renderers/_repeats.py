"""Rows of siblings that are all alike, as two rows: the first with all that is in it, and the rest."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import groupby

from modscope.renderers._rows import Mark, Row, output_text

# So many siblings may be alike before the rest become one row.
FEW = 2


def fold_rows(shown: Sequence[Row]) -> list[Row]:
    """The rows with every run of siblings of one structure cut short; parameters still add up."""
    children = _children(shown)
    signatures = _signatures(shown, children)
    kept: list[Row] = []
    stack: list[int | Row] = [0] if shown else []
    while stack:
        item = stack.pop()
        if isinstance(item, Row):
            kept.append(item)
            continue
        kept.append(shown[item])
        below: list[int | Row] = []
        for _, run in groupby(children[item], key=signatures.__getitem__):
            alike = list(run)
            if len(alike) > FEW:
                below += [alike[0], _rest([shown[number] for number in alike], _sum(shown, children, alike[1:]))]
            else:
                below += alike
        stack += reversed(below)
    return kept


def _rest(alike: Sequence[Row], params: int) -> Row:
    first, second, last = alike[0], alike[1], alike[-1]
    mark = Mark("alike", f"{len(alike) - 1} more like {first.name}")
    name = second.name if second is last else f"{second.name} … {last.name}"
    return replace(second, name=name, marks=(mark, *first.marks), params=params, leaf=True)


def _children(shown: Sequence[Row]) -> list[list[int]]:
    """For each row the rows directly below it."""
    children: list[list[int]] = [[] for _ in shown]
    above: list[int] = []
    for number, row in enumerate(shown):
        del above[row.depth :]
        if above:
            children[above[-1]].append(number)
        above.append(number)
    return children


def _signatures(shown: Sequence[Row], children: Sequence[Sequence[int]]) -> list[int]:
    """A number that rows of one structure share; from the last row to the first, for children come after parents."""
    known: dict[Hashable, int] = {}
    signatures = [0] * len(shown)
    for number in range(len(shown) - 1, -1, -1):
        row = shown[number]
        below = tuple((shown[child].name, signatures[child]) for child in children[number])
        named = None if row.name.isdecimal() else row.name  # only what a number tells apart is alike
        settings = (row.module.type, row.module.extra_repr, row.module.registered, row.params, named)
        facts = (settings, output_text(row), row.marks, below)
        signatures[number] = known.setdefault(facts, len(known))
    return signatures


def _sum(shown: Sequence[Row], children: Sequence[Sequence[int]], numbers: Sequence[int]) -> int:
    total, stack = 0, list(numbers)
    while stack:
        number = stack.pop()
        total += shown[number].params
        stack += children[number]
    return total
