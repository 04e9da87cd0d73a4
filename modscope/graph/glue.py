"""Chains of ops between modules drawn as one node: view, permute, view."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx


def join_glue(flow: networkx.DiGraph) -> networkx.DiGraph:
    """The same dataflow with every unbranched chain of ops as one node: that of its last op.

    Op nodes get `names`, what the chain ran in order, and `ops`, their keys. An op with two feeders (a residual
    addition) begins no chain and joins none.
    """
    joined = flow.copy()
    for node, facts in flow.nodes(data=True):
        if facts["kind"] == "op":
            joined.nodes[node].update(names=(facts["name"],), ops=(node,))
    for node in flow:
        for feeder in list(joined.pred[node]):
            if _continues(joined, feeder, node):
                before, here = joined.nodes[feeder], joined.nodes[node]
                here.update(names=before["names"] + here["names"], ops=before["ops"] + here["ops"])
                here["inputs"] = before["inputs"]
                for start, _, facts in list(joined.in_edges(feeder, data=True)):
                    joined.add_edge(start, node, **facts)
                joined.remove_node(feeder)
    return joined


def _continues(flow: networkx.DiGraph, feeder: object, node: object) -> bool:
    before, here = flow.nodes[feeder], flow.nodes[node]
    return (
        before["kind"] == here["kind"] == "op"
        and before["parent"] == here["parent"]
        and before.get("times") == here.get("times")
        and flow.out_degree(feeder) == 1
        and flow.in_degree(feeder) <= 1
        and flow.in_degree(node) == 1
        and not flow.edges[feeder, node].get("carry")
    )
