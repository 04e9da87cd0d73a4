"""The registered tree against what ran."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import modscope
from fixtures import models
from modscope.data import Recorded
from modscope.graph import Reordered, Reused, compare


def test_a_registered_module_that_no_call_reached_is_never_called() -> None:
    compared = compare(models.trace("never_called"))
    assert compared.never_called == ("forgotten", "forgotten.0", "forgotten.1")


def test_layers_in_a_plain_list_are_unregistered() -> None:
    assert len(compare(models.trace("plain_list")).unregistered) == 3


def test_a_module_that_runs_twice_is_reused() -> None:
    assert compare(models.trace("used_twice")).reused == (Reused("step", 2),)


def test_calls_in_another_order_than_registered_are_told_per_parent() -> None:
    expected = Reordered("layers", ("layers.0", "layers.1", "layers.2"), ("layers.2", "layers.0", "layers.1"))
    assert compare(models.trace("module_list_out_of_order")).reordered == (expected,)


def test_a_module_list_is_a_holder_and_no_mistake() -> None:
    compared = compare(models.trace("module_list_out_of_order"))
    assert dict(compared.statuses)["layers"] == "holder"
    assert compared.agrees


def test_out_proj_of_attention_is_used_without_being_called() -> None:
    trace = modscope.trace(nn.MultiheadAttention(4, 2), *[torch.zeros(3, 1, 4)] * 3)
    assert dict(compare(trace).statuses) == {"": "called", "out_proj": "used"}


class Tied(nn.Module):
    """A head that has the embedding's weight and is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(8, 4)
        self.head = nn.Linear(4, 8, bias=False)
        self.head.weight = self.embedding.weight
        self.rest = nn.Linear(4, 8)

    def forward(self, ids: Tensor) -> Tensor:
        result: Tensor = self.embedding(ids)
        return result


def test_a_module_is_used_when_its_weight_is_read_under_another_name() -> None:
    compared = compare(modscope.trace(Tied(), torch.zeros(1, 2, dtype=torch.long)))
    assert (compared.used, compared.never_called) == (("head",), ("rest",))


def test_without_recorded_ops_a_module_with_parameters_is_unknown() -> None:
    trace = replace(models.trace("never_called"), ops=(), recorded=Recorded(ops=False))
    compared = compare(trace)
    assert compared.unknown == ("forgotten.0",)
    assert "forgotten.1" in compared.never_called


def test_what_is_inside_an_opaque_call_is_unknown() -> None:
    trace = models.trace("never_called")
    root, *others = trace.calls
    compared = compare(replace(trace, calls=(replace(root, opaque="compiled"), *others)))
    assert compared.never_called == ()
    assert compared.unknown == ("forgotten", "forgotten.0", "forgotten.1")


def test_after_a_forward_that_raised_what_did_not_run_is_unknown() -> None:
    compared = compare(models.trace("module_list_called"))
    assert compared.never_called == ()


def test_a_shared_child_does_not_make_another_order() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Sequential(nn.Linear(2, 2))
            self.second = nn.Sequential(nn.Linear(2, 2), self.first[0])

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.second(self.first(x))
            return result

    assert compare(modscope.trace(Shared(), torch.zeros(1, 2))).reordered == ()


def test_after_a_forward_that_raised_a_tied_head_is_not_accused() -> None:
    class Fails(Tied):
        def forward(self, ids: Tensor) -> Tensor:
            return self.rest(super().forward(ids)[..., :1])

    with pytest.raises(RuntimeError) as caught:
        modscope.trace(Fails(), torch.zeros(1, 2, dtype=torch.long))
    statuses = dict(compare(modscope.partial_trace(caught.value)).statuses)
    assert statuses == {"": "called", "embedding": "called", "head": "unknown", "rest": "called"}


def test_blocks_that_call_their_children_in_the_same_other_order_are_told_once() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(2, 2)
            self.second = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.first(self.second(x))
            return result

    compared = compare(modscope.trace(nn.Sequential(Block(), Block(), Block()), torch.zeros(1, 2)))
    assert [each.path for each in compared.reordered] == ["0", "1", "2"]
    told = str(compared)
    assert told.count("another order") == 1
    assert "children of 0 (and of 2 modules more) are called in another order than registered:" in told
    assert "  called      second, first" in told


class Keeps(nn.Module):
    """A module that is never called, and keeps something that others read."""

    def __init__(self, thing: object) -> None:
        super().__init__()
        self.things = [thing]

    def forward(self) -> None:
        raise AssertionError("called")


class Reads(nn.Module):
    def __init__(self, read: bool) -> None:
        super().__init__()
        self.child = Keeps(torch.ones(2))
        self.read = read

    def forward(self, x: Tensor) -> Tensor:
        return x * self.child.things[0] if self.read else x * 2  # type: ignore[operator]


@pytest.mark.parametrize(("read", "status"), [(True, "used"), (False, "never called")])
def test_a_module_whose_plain_tensor_is_read_is_used(read: bool, status: str) -> None:
    assert dict(compare(modscope.trace(Reads(read), torch.zeros(2))).statuses)["child"] == status


@pytest.mark.filterwarnings("ignore")
def test_modules_that_keep_packed_weights_are_used_where_these_are() -> None:
    given = nn.Sequential(nn.Linear(3, 3), nn.LSTM(3, 4))
    model = torch.ao.quantization.quantize_dynamic(given, {nn.Linear, nn.LSTM}, torch.qint8)
    trace = modscope.trace(model, torch.zeros(2, 2, 3))
    assert trace.ops[0].states == ("0._packed_params._packed_params",)
    assert compare(trace).used == ("0._packed_params", "1._all_weight_values.0")
    assert modscope.Trace.from_json(trace.to_json()) == trace
