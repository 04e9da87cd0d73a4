"""What reads a tensor comes from what wrote it last, through whatever name of its memory it was written."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import modscope
from modscope import Trace


class Runs(nn.Module):
    """A linear layer, two buffers that share memory, and what is done with them."""

    def __init__(self, function: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        memory = torch.ones(4)
        self.register_buffer("front", memory[:3])
        self.register_buffer("back", memory[1:])
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def _traced(function: Callable[[Any, Tensor], Any]) -> Trace:
    return modscope.trace(Runs(function), torch.zeros(3, 3))


def _sources(trace: Trace, name: str) -> list[list[int | str | None]]:
    """Where the inputs of all ops of a name come from: an op's index, or a name."""
    return [
        [ref.source.op if ref.source.kind == "op" else ref.source.name for ref in op.inputs]
        for op in trace.ops
        if op.name == name
    ]


def test_an_op_that_gives_what_it_was_given_did_not_make_it() -> None:
    trace = _traced(lambda model, x: model.linear.weight.requires_grad_() @ model.linear.bias.float())
    assert _sources(trace, "requires_grad_") == [["linear.weight"]]
    assert _sources(trace, "float") == [["linear.bias"]]
    assert _sources(trace, "matmul") == [["linear.weight", "linear.bias"]]


def test_a_parameter_that_is_given_the_memory_of_a_view_stays_that_parameter() -> None:
    def forward(model: Any, x: Tensor) -> Tensor:
        scaled = model.linear.weight * 2
        model.linear.weight.data = scaled.data
        return model.linear(x) + scaled

    trace = _traced(forward)
    assert _sources(trace, "mul") == [["linear.weight"]]
    assert _sources(trace, "data") == [[0], ["linear.weight", 1]]
    assert _sources(trace, "linear") == [["args[0]", 2, "linear.bias"]]
    assert _sources(trace, "add") == [[3, 0]]  # what it was given was not written
    assert [note.path for note in trace.not_undone] == ["linear.weight"]


def test_what_was_written_through_another_buffer_comes_from_that_write() -> None:
    trace = _traced(lambda model, x: (model.front.zero_(), x * model.back))
    assert _sources(trace, "mul") == [["args[0]", 0]]
    assert _sources(trace, "zero_") == [["front"]]


def test_buffers_that_share_memory_share_what_is_written_also_when_both_were_read_before() -> None:
    trace = _traced(lambda model, x: (x * model.back, x * model.front, model.front.zero_(), x * model.back))
    assert _sources(trace, "mul") == [["args[0]", "back"], ["args[0]", "front"], ["args[0]", 2]]


def test_a_view_of_one_buffer_is_no_write_to_another_of_the_same_memory() -> None:
    trace = _traced(lambda model, x: (torch.zeros(1).add_(1), model.front.view(1, 3), x * model.back))
    assert _sources(trace, "mul") == [["args[0]", "back"]]


def test_inputs_that_share_memory_share_what_is_written() -> None:
    class Writes(nn.Module):
        def forward(self, whole: Tensor, part: Tensor) -> Tensor:
            before = part * 1
            whole.add_(before.sum())
            return part * 2

    whole = torch.zeros(3, 3)
    trace = modscope.trace(Writes(), whole, whole[0])
    assert _sources(trace, "mul") == [["args[1]"], [2]]


def test_a_write_to_an_input_that_bumps_no_version_is_told() -> None:
    trace = _traced(lambda model, x: x.data.add_(1))
    assert [(note.kind, note.path) for note in trace.not_undone] == [("input-written", "args[0]")]


def test_a_tensor_shares_memory_with_the_one_whose_it_was_given() -> None:
    def forward(model: Any, x: Tensor) -> Tensor:
        own, other = x * 1, x.clone()
        own.data = other
        own.add_(1)
        return other * 2

    assert _sources(_traced(forward), "mul") == [["args[0]"], [3]]


def test_a_view_that_is_given_other_memory_leaves_the_parameter_as_it_was() -> None:
    def forward(model: Any, x: Tensor) -> Tensor:
        view = model.linear.weight.detach()
        view.data = x
        return model.linear(view)

    trace = _traced(forward)
    assert _sources(trace, "linear") == [[1, "linear.weight", "linear.bias"]]
    assert trace.not_undone == ()


def test_a_buffer_that_is_given_memory_of_a_parameter_keeps_its_own_shape() -> None:
    def forward(model: Any, x: Tensor) -> Tensor:
        model.front.data = model.linear.weight.detach()[0]
        return model.front.add_(1)

    trace = _traced(forward)
    assert [ref.spec.shape for ref in trace.ops[-1].outputs] == [(3,)]


def test_several_outputs_of_one_memory_share_what_is_written() -> None:
    def forward(model: Any, x: Tensor) -> Tensor:
        rows, columns = torch.where(x == 0)
        rows.add_(1)
        return columns * 2

    assert _sources(_traced(forward), "mul") == [[2]]


def test_a_deep_copy_comes_from_its_op() -> None:
    trace = _traced(lambda model, x: deepcopy(x.detach()) * 2)
    assert _sources(trace, "__deepcopy__") == [[0]]
    assert _sources(trace, "mul") == [[1]]


@pytest.mark.parametrize(
    "function",
    [
        lambda model, x: x.detach_(),
        lambda model, x: F.dropout(x, training=False, inplace=True),
        lambda model, x: F.alpha_dropout(x, 0.5, inplace=True),
        lambda model, x: F.relu(x, inplace=False),
    ],
)
def test_what_writes_nothing_is_no_write(function: Callable[[Any, Tensor], Any]) -> None:
    trace = _traced(lambda model, x: (function(model, x), x * 2))
    assert _sources(trace, "mul") == [["args[0]"]]
    assert [op.mutates for op in trace.ops] == [(), ()]
    assert trace.not_undone == ()


def test_whether_a_tensor_requires_gradients_is_told_as_it_was_then() -> None:
    def forward(model: Any, x: Tensor) -> Tensor:
        hidden = x * 1
        view = hidden[0]
        hidden.add_(model.linear.bias)
        x.requires_grad = True
        return view * x

    trace = _traced(forward)
    assert [[ref.spec.requires_grad for ref in op.inputs] for op in trace.ops] == [
        [False],
        [False],
        [False, True],
        [True, True],
    ]
    assert _sources(trace, "mul") == [["args[0]"], [2, "args[0]"]]


def test_a_buffer_of_memory_that_came_to_require_gradients_requires_them() -> None:
    class Views(Runs):
        def __init__(self) -> None:
            super().__init__(lambda model, x: (model.front.add_(model.linear.bias), x * model.back))
            self.register_buffer("back", self.front[:])

    trace = modscope.trace(Views(), torch.zeros(3))
    assert [ref.spec.requires_grad for ref in trace.ops[1].inputs] == [False, True]
    assert _sources(trace, "mul") == [["args[0]", 0]]


class Marked(Tensor):
    """A tensor of the user's kind."""


@pytest.mark.parametrize(
    "share",
    [
        lambda tensor: nn.Parameter(tensor, requires_grad=False),
        lambda tensor: tensor.as_subclass(Marked),
        lambda tensor: torch.Tensor(tensor),
        lambda tensor: torch.from_numpy(tensor.numpy()),
        lambda tensor: torch.frombuffer(tensor.numpy(), dtype=torch.float32),
        lambda tensor: torch.asarray(np.asarray(tensor)),
        torch.from_dlpack,
    ],
)
def test_memory_that_is_shared_out_of_sight_is_written_for_both(share: Callable[[Tensor], Tensor]) -> None:
    def forward(model: Any, x: Tensor) -> None:
        hidden = x * 1
        other = share(hidden)
        _ = other * 2
        hidden.add_(1)
        _ = other * 3
        other.sub_(1)
        _ = hidden * 4

    trace = _traced(forward)
    add, sub = (next(op.index for op in trace.ops if op.name == name) for name in ("add_", "sub_"))
    made = next((op.index for op in trace.ops if op.name == "asarray"), 0)
    assert _sources(trace, "mul") == [["args[0]"], [made], [add], [sub]]


@pytest.mark.parametrize(
    "share",
    [
        lambda tensor: nn.Parameter(tensor, requires_grad=False),
        lambda tensor: tensor.as_subclass(Marked),
        lambda tensor: torch.from_numpy(tensor.detach().numpy()),
        lambda tensor: torch.from_dlpack(tensor),
    ],
)
def test_what_lives_on_under_another_name_comes_from_where_it_was_made(share: Callable[[Tensor], Tensor]) -> None:
    assert _sources(_traced(lambda model, x: share(x * 1) / 2), "div") == [[0]]


@pytest.mark.parametrize(
    "share",
    [
        copy,
        lambda tensor: torch.empty(0).set_(tensor),
        lambda tensor: torch.empty(0).set_(source=tensor),
        lambda tensor: torch.empty(0).set_(tensor.untyped_storage()),
    ],
)
def test_a_tensor_that_is_set_to_memory_shares_it(share: Callable[[Tensor], Tensor]) -> None:
    def forward(model: Any, x: Tensor) -> None:
        hidden = x * 1
        other = share(hidden)
        _ = other / 2
        other.add_(1)
        _ = hidden / 3

    trace = _traced(forward)
    mul, empty, op, *_, add, _ = trace.ops
    assert [op.name for op in (mul, empty, op, add)] == ["mul", "empty", "set_", "add_"]
    assert _sources(trace, "set_") == [[empty.index, mul.index]]
    assert _sources(trace, "div") == [[op.index], [add.index]]


def test_memory_of_parameters_and_inputs_that_is_shared_out_of_sight_comes_from_them() -> None:
    def forward(model: Any, x: Tensor) -> None:
        _ = nn.Parameter(model.linear.bias) * torch.from_numpy(x.numpy())

    assert _sources(_traced(forward), "mul") == [["linear.bias", "args[0]"]]


def test_numbers_that_were_copied_meanwhile_share_nothing() -> None:
    def forward(model: Any, x: Tensor) -> Tensor:
        other = torch.from_numpy(x.numpy() + 1)
        x.add_(1)
        return other * 2

    trace = _traced(forward)
    assert [op.inputs[0].source.kind for op in trace.ops if op.name == "mul"] == ["unknown"]


@torch.library.custom_op("modscope_tests::halve", mutates_args={"x"})
def halve(times: int, x: Tensor) -> None:
    x.div_(2**times)


def test_operators_that_python_calls_by_hand_are_ops_like_any() -> None:
    def forward(model: Any, x: Tensor) -> None:
        hidden = torch.ops.aten.mul(x, 2)
        torch.ops.aten.zeros([2])
        torch.ops.modscope_tests.halve(1, hidden)
        torch.ops.aten.relu.default(hidden)
        halve(1, hidden)
        torch.ops.aten.neg.default(hidden)
        torch.ops.aten.sort.values(x, values=hidden, indices=torch.zeros(3, 3, dtype=torch.long))
        torch.ops.aten.abs(hidden)

    trace = _traced(forward)
    kinds = [(op.name, op.kind) for op in trace.ops]
    assert kinds == [(name, "factory" if name == "zeros" else "op") for name, _ in kinds]
    assert [name for name, _ in kinds] == ["mul", "zeros", "halve", "relu", "halve", "neg", "zeros", "sort", "abs"]
    assert [_sources(trace, name) for name in ("relu", "neg", "abs")] == [[[2]], [[4]], [[7]]]


class Compressed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scaled", torch.eye(3).to_sparse_csr())
        self.register_buffer("emptied", torch.eye(3).to_sparse_csc())

    def forward(self, x: Tensor) -> Tensor:
        self.scaled.mul_(3)
        self.emptied.zero_()
        return x


@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_compressed_sparse_buffers_are_put_back_with_all_their_elements() -> None:
    model = Compressed()
    modscope.trace(model, torch.ones(1))
    assert all(torch.equal(buffer.to_dense(), torch.eye(3)) for buffer in model.buffers())


def test_what_was_written_before_the_writer_was_given_other_memory_is_read_by_the_others() -> None:
    def forward(model: Any, x: Tensor) -> Tensor:
        model.front.zero_()
        model.front.data = x[0]
        return x * model.back

    assert _sources(_traced(forward), "mul") == [["args[0]", 0]]


def _statistics(norm: Any) -> Callable[[Tensor, Tensor], Any]:
    return lambda front, x: norm(x, None, None, front, front * 1, True, 0.1, 1e-5)


def _fused_step(front: Tensor, x: Tensor) -> None:
    rates = {"weight_decay": 0.0, "momentum": 0.0, "lr": 0.1, "dampening": 0.0}
    torch._fused_sgd_([x], [front], [], **rates, nesterov=False, maximize=False, is_first_step=True)


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (_statistics(torch.native_batch_norm), "native_batch_norm"),
        (_statistics(torch.ops.aten.native_batch_norm), "native_batch_norm"),
        (_fused_step, "_fused_sgd_"),
        (lambda front, x: torch._amp_foreach_non_finite_check_and_unscale_([x], front[:1], torch.ones(1)), "_amp_for"),
    ],
)
def test_every_argument_that_an_op_writes_is_written(write: Callable[[Tensor, Tensor], Any], name: str) -> None:
    trace = _traced(lambda model, x: (write(model.front, x), model.back / 2))
    [op] = [op for op in trace.ops if op.name.startswith(name)]
    assert _sources(trace, "div") == [[op.index]]
