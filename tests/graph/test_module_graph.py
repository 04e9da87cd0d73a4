"""The registered tree as a networkx graph."""

from __future__ import annotations

import torch
from torch import nn

import modscope
from modscope.graph import module_graph


def test_nodes_are_the_paths_of_named_modules() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU()))
    assert list(module_graph(modscope.inspect(model))) == [path for path, _ in model.named_modules()]


def test_edges_lead_from_parent_to_child_under_the_childs_name() -> None:
    graph = module_graph(modscope.inspect(nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU()))))
    assert list(graph.edges(data="name")) == [("", "0", "0"), ("", "1", "1"), ("1", "1.0", "0")]


def test_a_shared_module_has_an_edge_from_each_of_its_parents() -> None:
    shared = nn.Linear(2, 2)
    graph = module_graph(modscope.inspect(nn.Sequential(nn.Sequential(shared), nn.Sequential(nn.ReLU(), shared))))
    assert list(graph.in_edges("0.0", data="name")) == [("0", "0.0", "0"), ("1", "0.0", "1")]


def test_parameters_add_up_to_the_total() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 3))
    model[1].weight = model[0].weight
    tree = modscope.inspect(model)
    assert sum(params for _, params in module_graph(tree).nodes(data="params")) == tree.total_params


def test_a_trace_adds_how_often_each_module_ran() -> None:
    relu = nn.ReLU()
    graph = module_graph(modscope.trace(nn.Sequential(relu, relu), torch.zeros(1)))
    assert dict(graph.nodes(data="calls")) == {"": 1, "0": 2}
