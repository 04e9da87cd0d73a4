"""Repeats drawn once."""

from __future__ import annotations

import networkx
import torch
from torch import Tensor, nn

import modscope
from modscope.graph import dataflow, fold


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.up = nn.Linear(4, 8)
        self.down = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(torch.relu(self.up(self.norm(x))))


class Stack(nn.Module):
    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.head(x)
        return result


def folded(model: nn.Module) -> networkx.DiGraph:
    trace = modscope.trace(model, torch.zeros(1, 4))
    return fold(dataflow(trace), trace)


def test_any_number_of_equal_blocks_becomes_one() -> None:
    assert len(folded(Stack(3))) == len(folded(Stack(30)))


def test_the_block_that_is_kept_says_how_many_it_stands_for_and_which_is_the_last() -> None:
    assert list(folded(Stack(12)).graph["times"].values()) == [(12, "blocks.11")]


def test_both_ways_from_one_block_to_the_next_are_carry_edges() -> None:
    graph = folded(Stack(4))
    carries = [(start, end) for start, end, carry in graph.edges(data="carry") if carry]
    ends = {graph.nodes[end]["label"] for _, end in carries}
    assert ends == {"blocks.0.norm", "add"}
    assert {graph.nodes[start]["label"] for start, _ in carries} == {"add"}


def test_without_its_carry_edges_a_fold_has_no_cycle() -> None:
    graph = folded(Stack(6))
    graph.remove_edges_from([edge for edge in graph.edges if graph.edges[edge]["carry"]])
    assert networkx.is_directed_acyclic_graph(graph)
    assert networkx.has_path(graph, next(iter(graph)), list(graph)[-1])


def test_blocks_of_other_shapes_are_not_folded_together() -> None:
    model = nn.Sequential(
        *[nn.Linear(4, 4) for _ in range(6)], *[nn.Linear(4, 8), *[nn.Linear(8, 8) for _ in range(6)]]
    )
    times = [times for _, times in folded(model).nodes(data="times") if times > 1]
    assert times == [6, 6]


def test_a_chain_with_a_long_period_is_folded_too() -> None:
    pattern = [nn.Linear(4, 4), nn.ReLU(), nn.LayerNorm(4), nn.Tanh()]
    model = nn.Sequential(*(layer for _ in range(5) for layer in pattern))
    assert [times for _, times in folded(model).nodes(data="times")][1:5] == [5, 5, 5, 5]


def test_a_block_that_is_wired_otherwise_ends_the_fold() -> None:
    class Skipping(Stack):
        def forward(self, x: Tensor) -> Tensor:
            kept = x
            for number, block in enumerate(self.blocks):
                x = block(kept if number == 4 else x)
            result: Tensor = self.head(x)
            return result

    times = list(folded(Skipping(8)).graph["times"].values())
    assert times[0] == (4, "blocks.3")


def test_names_that_differ_in_more_than_a_number_are_not_folded() -> None:
    model = nn.Sequential()
    for name in "abcdefgh":
        model.add_module(name, nn.Linear(4, 4))
    assert len(folded(model)) == 10
