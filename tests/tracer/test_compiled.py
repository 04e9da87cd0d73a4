"""What torch compiles, and what runs other functions: eagerly while it is watched, and the trace says so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

import modscope
from modscope.data import Trace

Forward = Callable[[Any, Tensor], Tensor]


class Model(nn.Module):
    """Runs a function on its only child."""

    def __init__(self, function: Forward) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.spare = nn.Linear(3, 3)
        self.function = [function]

    def forward(self, x: Tensor) -> Tensor:
        return self.function[0](self, x)


def never(graph: Any, inputs: Any) -> Any:
    raise AssertionError("compiled")


@torch.compile(backend=never)
def compiled(model: Model, x: Tensor) -> Tensor:
    return torch.sin(model.linear(x))


@torch.compiler.disable
def disabled(model: Model, x: Tensor) -> Tensor:
    return torch.sin(model.linear(x))


def compiled_inside(model: Model, x: Tensor) -> Tensor:
    act: Callable[[Tensor], Tensor] = torch.compile(lambda x: model.linear(x).sin(), backend=never)
    return act(x)


def branches(model: Model, x: Tensor) -> Tensor:
    result: Tensor = torch.cond(x.sum() > 0, lambda x: model.linear(x), lambda x: x * 2, (x,))
    return result


def mistaken(model: Model, x: Tensor) -> Tensor:
    result: Tensor = torch.cond(x.sum() > 0, lambda x: model.linear(x) @ x, lambda x: x * 2, (x,))
    return result


@pytest.mark.parametrize("options", [{}, {"dispatch": True}, {"ops": False}])
@pytest.mark.parametrize("ops", [True, False])
def test_branches_that_need_the_compiler_for_their_gradients_have_it(options: dict[str, bool], ops: bool) -> None:
    model, x = Model(branches), torch.ones(2, 3, requires_grad=True)
    plain = model(x)
    with modscope.record(model, **options) as outer, modscope.record(model, ops=ops) as recorder:
        watched = model(x)
    assert torch.equal(plain, watched)
    assert torch.equal(*(torch.autograd.grad(each.sum(), x)[0] for each in (plain, watched)))
    for trace in (outer.trace, recorder.trace):
        assert [call.path for call in trace.calls] == [""]
        assert ("cond" in [op.name for op in trace.ops]) is trace.recorded.ops
        assert any("cond() compiled functions" in note.message for note in trace.blind_spots)
        assert modscope.compare(trace).unknown == ("linear", "spare")


def branches_of_each_row(model: Model, x: Tensor) -> Tensor:
    def row(x: Tensor) -> Tensor:
        result: Tensor = torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))
        return result

    return torch.vmap(row)(x)


@pytest.mark.parametrize("ops", [True, False])
def test_branches_under_vmap_give_what_they_give_plainly(ops: bool) -> None:
    model, x = Model(branches_of_each_row), torch.tensor([[1.0, 2], [-1, -2]])
    with modscope.record(model, ops=ops):
        assert torch.equal(model(x), torch.tensor([[2.0, 3], [-2, -3]]))


def test_a_mistake_in_a_branch_that_is_compiled_is_the_users() -> None:
    model, x = Model(mistaken), torch.ones(2, 3, requires_grad=True)
    with pytest.raises(Exception) as plain:  # noqa: PT011
        model(x)
    with pytest.raises(plain.type), modscope.record(model, ops=False):
        model(x)
    with pytest.raises(plain.type):
        modscope.trace(model, x)


@pytest.mark.parametrize(
    ("function", "notes"),
    [
        (compiled, [("compiled", "compiled() is compiled; it ran eagerly while it was watched")]),
        (disabled, []),
        (
            compiled_inside,
            [("compiled", "compiled_inside.<locals>.<lambda>() is compiled; it ran eagerly while it was watched")],
        ),
        (branches, [("higher-order", "cond() ran functions that it was given: the ops in there were not seen")]),
    ],
)
def test_a_function_that_ran_eagerly_is_told(function: Forward, notes: list[tuple[str, str]]) -> None:
    model = Model(function)
    trace = modscope.trace(model, torch.ones(2, 3))
    assert [call.path for call in trace.calls] == ["", "linear"]
    assert [(note.kind, note.message) for note in trace.blind_spots] == notes
    hidden = function is branches
    assert ("sin" in [op.name for op in trace.ops]) is not hidden
    assert modscope.compare(trace).unknown == (("spare",) if hidden else ())


def test_a_module_that_is_compiled_while_it_is_recorded_is_told() -> None:
    model = nn.Linear(3, 3)
    with modscope.record(model) as recorder:
        torch.compile(model, backend="eager")(torch.ones(2, 3))
    assert [call.type for call in recorder.trace.calls] == ["OptimizedModule", "Linear"]
    assert [(note.kind, note.path) for note in recorder.trace.blind_spots] == [("compiled", "[OptimizedModule#0]")]


FIRST_USE = """
import sys, torch, modscope
from torch import nn
class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda x: self.linear(x), lambda x: x * 2, (x,))
assert "torch._dynamo.eval_frame" not in sys.modules
before = list(sys.meta_path)
trace = modscope.trace(Branches(), torch.ones(2, 3))
assert [call.path for call in trace.calls] == ["", "linear"]
dynamo = sys.modules["torch._dynamo.eval_frame"]
assert sys.meta_path == before
assert type(dynamo._stance) is dynamo.DynamoStance
assert dynamo._stance.stance == "default"
assert not hasattr(dynamo.__spec__.loader, "__dict__") or "exec_module" not in vars(dynamo.__spec__.loader)
"""


def test_a_compiler_that_the_forward_is_the_first_to_load_stays_out() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_USE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def traced_with_symbols(model: Model, x: Tensor) -> Tensor:
    weight = model.linear.weight.detach()
    return make_fx(lambda x, w: (x @ w.T).relu().view(-1), tracing_mode="symbolic")(x, weight)(x, weight)


def test_sizes_that_are_symbols_are_told_as_numbers() -> None:
    model = Model(traced_with_symbols)
    trace = modscope.trace(model, torch.ones(2, 3))
    assert [op.outputs[0].spec.shape for op in trace.ops if op.name == "relu"] == [(2, 3)] * 2
    assert Trace.from_json(trace.to_json()) == trace


def test_a_trace_within_what_torch_traces_sees_numbers_and_leaves_no_mark() -> None:
    model, x, shapes = nn.BatchNorm1d(3).requires_grad_(False), torch.ones(2, 3), []

    def forward(x: Tensor) -> Tensor:
        trace = modscope.trace(model, x)
        shapes.append((trace.calls[0].input_shapes, trace.tree[""].parameters[0].spec.shape))
        return x + 1

    traced = torch.jit.trace(forward, x, check_trace=False)  # type: ignore[no-untyped-call]
    assert shapes == [(((2, 3),), (3,))]
    assert "aten::clone" not in str(traced.graph)  # as buffers are, before they are written
    assert model.num_batches_tracked == 0


def test_a_recording_within_a_compiled_function_is_left_alone_by_the_compiler() -> None:
    model, x, traces = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), torch.ones(2, 3), []

    def step(x: Tensor) -> Tensor:
        traces.append(modscope.trace(model, x))
        with modscope.record(model) as recorder:
            output: Tensor = model(x)
        traces.append(recorder.trace)
        return output

    output = torch.compile(step, backend="eager")(x)
    assert torch.equal(output, model(x))
    for trace in traces:
        assert [call.output_shapes for call in trace.calls] == [((2, 3),)] * 3
        assert trace.ops[0].name == "linear"
        assert trace.blind_spots == ()
    assert [note.kind for note in traces[0].not_undone] == []
    assert int(model[1].num_batches_tracked) == 2
