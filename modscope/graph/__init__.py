"""Trace -> networkx graphs, and the tree held against what ran."""

from modscope.graph.comparison import HOLDERS, Comparison, Reordered, Reused, compare
from modscope.graph.flow import check_depth, dataflow
from modscope.graph.folding import contents, fold
from modscope.graph.glue import join_glue
from modscope.graph.registered import module_graph

__all__ = [
    "HOLDERS",
    "Comparison",
    "Reordered",
    "Reused",
    "check_depth",
    "compare",
    "contents",
    "dataflow",
    "fold",
    "join_glue",
    "module_graph",
]
