"""What feeds what, for calls and for ops."""

from __future__ import annotations

from itertools import pairwise

import networkx
import pytest
import torch
from torch import Tensor, nn

import modscope
from modscope.errors import ModscopeError
from modscope.graph import dataflow


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


def labels(graph: networkx.DiGraph) -> list[str]:
    return [facts["label"] for _, facts in graph.nodes(data=True)]


def arrows(graph: networkx.DiGraph) -> set[tuple[str, str]]:
    """Edges by label; a test's model has each label once."""
    return {(graph.nodes[start]["label"], graph.nodes[end]["label"]) for start, end in graph.edges}


def test_calls_stand_in_a_chain_from_input_to_output() -> None:
    flow = dataflow(modscope.trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), torch.zeros(1, 4)))
    assert arrows(flow) == {("args[0]", "0"), ("0", "1"), ("1", "output")}


def test_a_residual_addition_is_a_node_that_both_ways_reach() -> None:
    flow = dataflow(modscope.trace(Residual(), torch.zeros(1, 4)))
    assert {("args[0]", "add"), ("inner.1", "add"), ("add", "output")} <= arrows(flow)


def test_a_depth_cut_keeps_the_residual_edge() -> None:
    flow = dataflow(modscope.trace(nn.Sequential(Residual(), nn.ReLU()), torch.zeros(1, 4)), depth=2)
    assert {("args[0]", "0.inner"), ("args[0]", "add"), ("0.inner", "add"), ("add", "1")} <= arrows(flow)


def test_depth_0_is_the_root_alone() -> None:
    flow = dataflow(modscope.trace(Residual(), torch.zeros(1, 4)), depth=0)
    assert arrows(flow) == {("args[0]", ""), ("", "output")}


def test_level_op_has_a_node_for_every_op() -> None:
    trace = modscope.trace(Residual(), torch.zeros(1, 4))
    flow = dataflow(trace, level="op")
    assert [node for node in flow if node[0] == "op"] == [("op", op.index) for op in trace.ops]


def test_an_edge_carries_the_tensors_that_pass() -> None:
    flow = dataflow(modscope.trace(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), torch.zeros(2, 4)))
    (tensor,) = flow.edges[("call", 1), ("call", 2)]["tensors"]
    assert tensor.spec.shape == (2, 3)


def test_a_call_knows_the_specs_of_its_inputs_and_outputs() -> None:
    flow = dataflow(modscope.trace(nn.Sequential(nn.Linear(4, 3)), torch.zeros(2, 4)))
    call = flow.nodes[("call", 1)]
    assert [spec.shape for spec in (*call["inputs"], *call["outputs"])] == [(2, 4), (2, 3)]


def test_a_module_called_twice_is_two_nodes() -> None:
    relu = nn.ReLU()
    flow = dataflow(modscope.trace(nn.Sequential(relu, relu), torch.zeros(1)))
    assert labels(flow).count("0") == 2


def test_a_module_that_hands_its_input_on_stays_in_the_chain() -> None:
    flow = dataflow(modscope.trace(nn.Sequential(nn.Identity(), nn.ReLU(), nn.Identity()), torch.zeros(1)))
    assert arrows(flow) == {("args[0]", "0"), ("0", "1"), ("1", "2"), ("2", "output")}


def test_an_op_that_changes_nothing_inside_a_call_does_not_make_the_value_that_calls() -> None:
    class Norm(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.to(x.dtype) * 2

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = Norm()

        def forward(self, x: Tensor) -> Tensor:
            return x + self.norm(x)

    flow = dataflow(modscope.trace(Block(), torch.zeros(4)))
    assert {("args[0]", "add"), ("norm", "add")} <= arrows(flow)


def test_parameters_are_sources_where_they_are_wanted() -> None:
    trace = modscope.trace(nn.Sequential(nn.Linear(4, 3, bias=False)), torch.zeros(2, 4))
    assert not [node for node in dataflow(trace) if node[0] == "parameter"]
    flow = dataflow(trace, parameters=True)
    assert flow.has_edge(("parameter", "0.weight"), ("call", 1))


def test_a_tensor_that_nobody_was_seen_to_make_is_an_explicit_source() -> None:
    hidden = torch.ones(4)

    class Reader(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * hidden

    flow = dataflow(modscope.trace(nn.Sequential(Reader()), torch.zeros(4)), parameters=True)
    assert {facts["kind"] for _, facts in flow.nodes(data=True)} & {"unknown", "attribute", "constant"}


def test_two_inputs_stay_apart() -> None:
    class Both(nn.Module):
        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return x * mask

    flow = dataflow(modscope.trace(Both(), torch.zeros(4), mask=torch.ones(4)), level="op")
    assert {("args[0]", "mul"), ("mask", "mul")} <= arrows(flow)


def test_a_write_in_place_stands_between_writer_and_reader() -> None:
    class Writer(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x * 2
            y.add_(1)
            return y.exp()

    flow = dataflow(modscope.trace(Writer(), torch.zeros(4)), level="op")
    assert {("mul", "add_"), ("add_", "exp")} <= arrows(flow)


def test_the_dataflow_of_a_run_has_no_cycle() -> None:
    relu = nn.ReLU()
    flow = dataflow(modscope.trace(nn.Sequential(relu, Residual(), relu, nn.Identity()), torch.zeros(1, 4)))
    assert networkx.is_directed_acyclic_graph(flow)


def test_nodes_and_edges_grow_with_the_length_of_the_model() -> None:
    sizes = []
    for length in (200, 400, 800):
        flow = dataflow(modscope.trace(nn.Sequential(*[nn.ReLU() for _ in range(length)]), torch.zeros(1)))
        sizes.append((len(flow), flow.number_of_edges()))
    for (nodes, edges), (twice, twice_edges) in pairwise(sizes):
        assert (twice - 2 * nodes, twice_edges - 2 * edges) == (-2, -1)


@pytest.mark.parametrize(
    ("options", "message"), [({"level": "layer"}, "'module', 'op'"), ({"depth": -1}, "depth is -1")]
)
def test_a_wrong_option_says_what_is_possible(options: dict[str, object], message: str) -> None:
    trace = modscope.trace(nn.ReLU(), torch.zeros(1))
    with pytest.raises(ModscopeError, match=message):
        dataflow(trace, **options)  # type: ignore[arg-type]
