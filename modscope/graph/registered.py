"""What is registered, as a networkx graph."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from modscope.data import ModuleTree, Trace
from modscope.errors import MissingExtra

if TYPE_CHECKING:
    import networkx


def new_digraph(**attributes: object) -> networkx.DiGraph:
    """An empty DiGraph; without networkx, MissingExtra says what to install."""
    try:
        import networkx
    except ImportError:
        raise MissingExtra("a graph", "render", "networkx") from None
    return networkx.DiGraph(**attributes)


def module_graph(thing: Trace | ModuleTree) -> networkx.DiGraph:
    """The registered tree: one node per module object, edges from parent to child in registration order.

    A node is the module's path ("" is the root). Node attributes: `type`, `paths` (every name it is registered
    under), `params` (elements of its own parameters, tied ones counted at their first name), `training`, and
    `calls` (how often it ran; None for a tree that was not run). Edge attribute: `name`, the child's attribute
    name in that parent. A shared module has one edge from each of its parents.
    """
    tree, calls = (
        (thing.tree, Counter(call.path for call in thing.calls)) if isinstance(thing, Trace) else (thing, None)
    )
    graph = new_digraph(origin=tree.origin)
    for module in tree.modules:
        graph.add_node(
            module.path,
            type=module.type,
            paths=module.paths,
            params=module.params,
            training=module.training,
            calls=None if calls is None else calls[module.path],
        )
    for module in tree.modules:
        for child in module.children:
            graph.add_edge(module.path, child, name=name_in(tree, module.path, child))
    return graph


def name_in(tree: ModuleTree, parent: str, child: str) -> str:
    """The attribute under which `parent` holds `child`, both named by their first paths."""
    for path in tree[child].paths:
        holder, _, name = path.rpartition(".")
        if holder in tree and tree[holder].path == parent:
            return name
    return child.rpartition(".")[2]
