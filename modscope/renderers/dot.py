"""The picture as Graphviz source: nested boxes are calls of modules, arrows are what feeds what."""

from __future__ import annotations

from collections import Counter
from typing import Any

from modscope.data import ModuleTree, Trace
from modscope.errors import ModscopeError
from modscope.graph import check_depth, contents, dataflow, fold, join_glue, module_graph
from modscope.renderers._drawing import draw
from modscope.renderers._picture import Picture

DIRECTIONS = ("TB", "LR")
# So many nodes are still one readable page.
PAGE = 130
# So many boxes inside one another still have room for what is in them.
MOST_NESTED = 20


def render(
    thing: Trace | ModuleTree,
    *,
    depth: int | None = None,
    direction: str | None = None,
    level: str = "module",
    folded: bool | None = None,
) -> str:
    """DOT source of the run, or of the tree where nothing ran.

    `depth` merges deeper calls into their ancestors, `folded` draws blocks that repeat once; left to None, both are
    chosen so that the picture stays readable. `direction` is "TB", as runs are drawn, or "LR", as trees are; `level`
    is "module" or "op".
    Raises MissingExtra without the packages graphviz and networkx.
    """
    if direction is not None and direction not in DIRECTIONS:
        raise ModscopeError(f"direction is {direction!r}; possible are {', '.join(map(repr, DIRECTIONS))}")
    if isinstance(thing, Trace):
        return draw(thing, readable(thing, level, depth, folded), direction or "TB")
    return _draw_tree(thing, depth, direction or "LR")


def readable(trace: Trace, level: str, depth: int | None, folded: bool | None) -> Any:
    """The dataflow to draw: as deep as fits a page, with repeats side by side if these fit, else folded."""

    def flow(folded: bool, depth: int | None) -> Any:
        full = dataflow(trace, level, depth)
        return join_glue(fold(full, trace) if folded else full)

    def fitting(folded: bool) -> Any:
        best = flow(folded, 1 if depth is None else depth)
        deepest = min(max((call.depth for call in trace.calls), default=0) + 1, MOST_NESTED)
        for deeper in range(2, deepest + 1) if depth is None else ():
            candidate = flow(folded, deeper)
            if len(candidate) > PAGE:
                break
            best = candidate
        return best

    if folded is not None:
        return fitting(folded)
    plain, dense = fitting(False), fitting(True)
    # Side by side is better as long as it shows the inside of every block that the fold shows.
    all_inside = dense.graph["times"].keys() <= contents(plain, trace).keys()
    return plain if len(plain) <= PAGE and all_inside else dense


def _draw_tree(tree: ModuleTree, depth: int | None, direction: str) -> str:
    check_depth(depth)
    graph = module_graph(tree)
    levels = {"": 0}
    for parent, child in graph.edges:  # parents come first
        levels.setdefault(child, levels[parent] + 1)
    if depth is None:
        sizes = Counter(levels.values())
        depth = max((level for level in sizes if sum(sizes[above] for above in range(level + 1)) <= PAGE), default=0)
    shown = [path for path in graph if levels[path] <= depth]
    picture = Picture(direction, len(shown))
    ids: dict[str, str] = {}
    for path in shown:
        facts = graph.nodes[path]
        name = path.rpartition(".")[2] or "model"
        counted = f"{facts['params']:,} parameters" if facts["params"] else ""
        ids[path] = picture.node(picture.graph, "call", [f"{name}: {facts['type']}", counted])
    for parent, child in graph.edges:
        if parent in ids and child in ids:
            picture.edge(ids[parent], ids[child])
    return picture.source()
