"""The table: what stands in it, how it fits, what it marks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

import modscope
from fixtures import models
from modscope.data import Call, ModuleInfo, ModuleTree, Nested, ParameterInfo, Recorded, Trace
from modscope.errors import ModscopeError
from modscope.graph import compare
from modscope.renderers import formats, render
from modscope.renderers.summary import COLUMNS, Summary
from modscope.text import width
from tests.hand_built import SPEC, named, raised


def cells(table: str, first: str) -> list[str]:
    """The words of the row that begins with this one."""
    return next(line.split() for line in table.splitlines() if line.split()[:1] == [first])


def numbers(table: str) -> list[int]:
    """The column of parameters."""
    head, *rows = (line for line in table.splitlines() if "  " in line)
    end = head.index("params") + len("params")
    found = [row[:end].split()[-1].replace(",", "") for row in rows if row[:end].split()]
    return [int(number) for number in found if number.isdecimal()]


def test_each_module_has_a_row_with_type_shape_and_parameters() -> None:
    trace = modscope.trace(nn.Sequential(nn.Linear(4, 3)), torch.zeros(2, 4))
    assert cells(Summary(trace).__str__(), "0") == ["0", "Linear", "[2,", "3]", "15"]


@pytest.mark.parametrize("name", models.NAMES)
@pytest.mark.parametrize("depth", [0, 1, None])
def test_the_column_of_parameters_adds_up_to_the_total(name: str, depth: int | None) -> None:
    tree = models.trace(name).tree
    table = str(render(tree, "summary", depth=depth, columns=("module", "params")))
    assert sum(numbers(table.partition("parameters")[0])) == tree.total_params


def test_a_tied_weight_is_counted_at_its_first_name() -> None:
    row = cells(str(render(models.trace("tied_weights"), "summary")), "head")
    assert row[-5:] == ["–", "tied:", "weight", "is", "embedding.weight"]


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("never_called", "never called"),
        ("plain_list", "unregistered"),
        ("used_twice", "2 calls"),
        ("tied_weights", "tied"),
        ("frozen_backbone", "frozen"),
        ("encoder_decoder", "used without a call"),
    ],
)
def test_what_is_remarkable_is_marked_and_explained(name: str, mark: str) -> None:
    table, _, below = str(render(models.trace(name), "summary")).partition("parameters")
    assert mark in table
    assert mark.removeprefix("2 ").split()[0] in below


def test_parameters_of_an_unregistered_module_are_in_parentheses_and_not_counted() -> None:
    table = str(render(models.trace("plain_list"), "summary"))
    assert table.count("(72)") == 3
    assert "parameters  72 (all trainable)" in table


def test_without_costs_there_is_no_column_of_them() -> None:
    assert "FLOPs" not in str(render(named("Net"), "summary"))


def test_costs_have_columns_and_unknown_ones_are_a_lower_bound() -> None:
    trace = named("Net")
    root, first, second = trace.calls
    costly = replace(
        trace,
        recorded=Recorded(costs=True),
        calls=(
            replace(root, flops=2_000_000, macs=1_000_000, unknown_flops=(("sort", 1),)),
            replace(first, flops=2_000_000, macs=1_000_000),
            replace(second, flops=0, macs=0, unknown_flops=(("sort", 1),)),
        ),
    )
    table = str(render(costly, "summary"))
    assert "≥ 2.0 M" in table
    assert "≥ 0 " in table
    assert "not counted sort" in table


def test_a_forward_that_raised_ends_the_table_at_the_failing_call() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(5, 2), nn.ReLU())
    with pytest.raises(RuntimeError) as error:
        modscope.trace(model, torch.zeros(2, 4))
    table = str(render(modscope.partial_trace(error.value), "summary"))
    assert "raised RuntimeError on [2, 3]" in table
    assert f"raised in 1 (Linear, got [2, 3]): RuntimeError: {error.value}" in table
    assert "ReLU" not in table


def test_the_message_of_an_error_stays_on_one_line() -> None:
    assert "␊" in str(render(raised(named("Net"), "first\nsecond"), "summary"))


def test_a_tree_that_was_not_run_has_settings_instead_of_shapes() -> None:
    table = str(render(modscope.inspect(nn.Sequential(nn.Linear(4, 3))), "summary"))
    assert "in_features=4, out_features=3" in table
    assert "output" not in table


def test_columns_are_chosen_and_an_unknown_one_lists_them() -> None:
    table = str(render(named("Net"), "summary", columns=("path", "calls")))
    assert table.splitlines()[2].split() == ["path", "calls"]
    with pytest.raises(ModscopeError, match=f"no column 'colour'; columns are {', '.join(COLUMNS)}"):
        Summary(named("Net"), columns=("colour",))


def test_every_column_can_be_shown() -> None:
    assert len(str(render(models.trace("residual"), "summary", columns=tuple(COLUMNS))).splitlines()) > 9


@pytest.mark.parametrize("size", [60, 80, 100])
def test_it_fits_the_width_it_is_given(size: int) -> None:
    trace = named("AVeryLongNameOfAModuleThatGoesOnAndOn" * 3)
    table = str(render(trace, "summary", width=size)).rpartition("─")[0]
    assert max(map(width, table.splitlines())) <= size


def test_wide_characters_keep_the_columns_aligned() -> None:
    table = str(render(named("模型🦙"), "summary", columns=("module", "type", "params"))).splitlines()[4:7]
    assert len({width(line) for line in table}) == 1


def test_a_depth_cut_leaves_out_rows_and_no_parameters() -> None:
    tree = models.trace("residual").tree
    table = str(render(tree, "summary", depth=1))
    assert "norm" not in table
    assert cells(table, "1")[:3] == ["1", "Block", "296"]


def test_a_shared_module_has_a_row_at_each_place_and_counts_once() -> None:
    shared = nn.Linear(2, 2)
    tree = modscope.inspect(nn.Sequential(shared, nn.Sequential(shared)))
    table = str(render(tree, "summary"))
    assert "shared: also 1.0" in table
    assert "shared: 0" in table
    assert "parameters  6 " in table


def test_a_thousand_levels_are_no_problem() -> None:
    paths = [".".join(["m"] * level) for level in range(1001)]
    modules = [ModuleInfo(path, "Deep", (path,), children=(below,)) for path, below in pairwise(paths)]
    last = ModuleInfo(paths[-1], "Deep", (paths[-1],), parameters=(ParameterInfo("w", SPEC, True),))
    tree = ModuleTree((*modules, last), "static")
    assert "1,001 modules" in str(render(tree, "summary"))
    assert "6" in str(render(tree, "tree")).splitlines()[-1]


def test_a_summary_shows_itself_as_text_and_as_html(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # it fits itself into the terminal
    summary = Summary(named("Net"))
    assert str(summary) == repr(summary) == render(named("Net"), "summary")
    assert summary._repr_html_().startswith("<div")


def test_different_output_shapes_of_one_module_are_all_told() -> None:
    trace = named("Net")
    first: Call = trace.calls[1]
    again = replace(first, index=3, nth=1, outputs=Nested("tuple", (trace.ops[0].outputs[0],) * 2))
    assert "[2, 3] | [2, 3], [2, 3]" in str(render(replace(trace, calls=(*trace.calls, again)), "summary"))


def test_a_comparison_lists_what_disagrees() -> None:
    text = str(render(compare(models.trace("never_called")), "summary"))
    assert text.splitlines()[0] == "Leftover: 2 registered modules called"
    assert "  forgotten.0" in text.splitlines()


def test_a_comparison_without_disagreement_says_so() -> None:
    trace: Trace = models.trace("residual")
    assert str(compare(trace)).splitlines()[-1] == "all that is registered took part, and nothing else"


def test_what_a_container_made_in_forward_holds_stands_below_it() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.Sequential(self.fc, nn.ReLU())(x)

    trace = modscope.trace(Net(), torch.zeros(1, 3))
    for format in formats():
        assert render(trace, format)
    lines = str(trace).splitlines()
    assert [line.split()[0] for line in lines if "Linear" in line or "ReLU" in line] == ["fc", "1"]


def test_escapes_are_told_by_line_with_the_modules_that_ran_it() -> None:
    class Scales(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * x.sum().item()

    line = Scales.forward.__code__.co_firstlineno + 1
    trace = modscope.trace(nn.Sequential(Scales(), Scales()), torch.ones(2))
    assert {path: [op.name for op in ops] for path, ops in trace.escapes_by_module.items()} == {
        "0": ["item"],
        "1": ["item"],
    }
    assert f"escape      item at test_summary.py:{line} in 0 and 1 more: a number leaves" in str(trace)


def test_ops_without_a_formula_are_told_with_their_number() -> None:
    class Waves(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft(torch.fft.fft(x)).real

    assert "not counted fft_fft × 2: no formula" in str(modscope.summary(Waves(), torch.ones(2)))
