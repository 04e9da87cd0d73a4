"""A long dataflow laid out in columns, as text on a page, instead of one endless strip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isqrt
from typing import Any

# A strip of fewer ranks than this is no burden.
LONGEST_STRIP = 32
# How many ranks of a picture are about as long as one of its columns is wide, times the wished length to width.
RANKS_PER_COLUMN = 6
# A box longer than a column by this factor is itself split.
OVERHANG = 1.25


def columns(flow: Any, inside: Mapping[int | None, list[Any]]) -> dict[Any, int]:
    """The column of each node; a box stays in one column unless it is too long."""
    ranks = _ranks(flow, flow)
    longest = max(ranks.values(), default=0) + 1
    count = isqrt(longest // RANKS_PER_COLUMN) if longest > LONGEST_STRIP else 1
    column: dict[Any, int] = {}
    for nodes, length in _pieces(flow, inside, OVERHANG * longest / count):
        middle = max(ranks[node] for node in nodes) - (length - 1) / 2
        column.update(dict.fromkeys(nodes, int(count * middle / longest)))
    return column


def _ranks(flow: Any, nodes: Iterable[Any]) -> dict[Any, int]:
    """Length of the longest way to each of these nodes among them; they come in the order of time, feeders first."""
    ranks: dict[Any, int] = {}
    for node in nodes:
        ranks[node] = max((ranks[feeder] + 1 for feeder in flow.pred[node] if feeder in ranks), default=0)
    return ranks


def _pieces(flow: Any, inside: Mapping[int | None, list[Any]], longest: float) -> Iterator[tuple[list[Any], int]]:
    """What must stay together: the nodes, and how many follow one another."""
    scopes: list[int | None] = [None]
    while scopes:
        for item in inside[scopes.pop()]:
            nodes = _nodes(item, inside)
            length = max(_ranks(flow, nodes).values()) + 1
            if isinstance(item, int) and length > longest:
                scopes.append(item)
            else:
                yield nodes, length


def _nodes(item: Any, inside: Mapping[int | None, list[Any]]) -> list[Any]:
    nodes, stack = [], [item]
    while stack:
        item = stack.pop()
        if isinstance(item, int):
            stack += reversed(inside[item])
        else:
            nodes.append(item)
    return nodes
