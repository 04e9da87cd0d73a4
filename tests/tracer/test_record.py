"""`record()`: whatever runs in a block, and each of its options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

import modscope
from modscope.data import Gradient, ParameterInfo, leaves


class Heads(nn.Module):
    """Which head runs depends on an argument; one is frozen, one never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 3)
        self.left = nn.Linear(3, 2)
        self.right = nn.Linear(3, 1)
        self.idle = nn.Linear(3, 1)
        self.left.bias.requires_grad_(False)

    def forward(self, x: Tensor, left: bool = True) -> Tensor:
        hidden = self.body(x)
        result: Tensor = self.left(hidden) if left else self.right(hidden)
        return result


def parameters(trace: modscope.Trace) -> Iterator[ParameterInfo]:
    return (each for module in trace.tree.modules for each in module.parameters)


x = torch.ones(2, 4)


def test_several_forwards_are_one_picture_of_what_was_ever_called() -> None:
    model = Heads()
    with modscope.record(model) as recorder:
        model(x)
        model(x[:1], left=False)
    trace = recorder.trace
    assert [(run.index, run.call) for run in trace.runs] == [(0, 0), (1, 3)]
    assert [(call.run, call.path, call.nth) for call in trace.calls] == [
        (0, "", 0),
        (0, "body", 0),
        (0, "left", 0),
        (1, "", 1),
        (1, "body", 1),
        (1, "right", 0),
    ]
    assert trace.calls[1].output_shapes != trace.calls[4].output_shapes
    assert modscope.compare(trace).never_called == ("idle",)


def test_a_training_step_is_recorded_and_taken() -> None:
    model, twin = Heads(), Heads()
    twin.load_state_dict(model.state_dict())
    optimizers = [torch.optim.SGD(each.parameters(), lr=0.1, momentum=0.9) for each in (model, twin)]

    def step(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    with modscope.record(model, backward=True, values=True, costs=True, dispatch=True) as recorder:
        step(model, optimizers[0])
    step(twin, optimizers[1])
    assert all(map(torch.equal, model.parameters(), twin.parameters()))
    assert len(recorder.trace.runs) == 1


def test_backward_tells_what_came_to_calls_and_parameters() -> None:
    model = Heads()
    with modscope.record(model, backward=True) as recorder:
        model(x).sum().backward()
    trace = recorder.trace
    arrived = {call.path: call.gradients.outputs for call in trace.calls if call.gradients is not None}
    assert {path: [spec and spec.shape for spec in specs] for path, specs in arrived.items()} == {
        "": [(2, 2)],
        "body": [(2, 3)],
        "left": [(2, 2)],
    }
    gradients = {each.path: each.gradient for each in parameters(trace)}
    assert gradients["left.bias"] is None
    assert {path for path, each in gradients.items() if each is not None and each.arrived} == {
        "body.weight",
        "body.bias",
        "left.weight",
    }
    weight = gradients["left.weight"]
    assert weight is not None
    assert model.left.weight.grad is not None
    assert (weight.zero, weight.finite) == (False, True)
    assert weight.norm == pytest.approx(float(model.left.weight.grad.norm()))
    assert not model.left.weight._post_accumulate_grad_hooks


@pytest.mark.parametrize(("factor", "zero", "finite"), [(0.0, True, True), (float("inf"), False, False)])
def test_gradients_that_are_zero_or_not_finite_are_told(factor: float, zero: bool, finite: bool) -> None:
    model = nn.Linear(4, 2)
    with modscope.record(model, backward=True) as recorder:
        (model(x) * factor).sum().backward()
    gradient = next(parameters(recorder.trace)).gradient
    assert gradient is not None
    assert (gradient.arrived, gradient.zero, gradient.finite) == (True, zero, finite)


def test_a_parameter_that_is_trained_from_some_time_on_has_its_gradient() -> None:
    model = nn.Linear(4, 2).requires_grad_(False)
    with modscope.record(model, backward=True) as recorder:
        model(x)
        model.weight.requires_grad_()
        model(x).sum().backward()
    weight, bias = (each.gradient for each in parameters(recorder.trace))
    assert weight is not None
    assert (weight.arrived, weight.zero, weight.finite) == (True, False, True)
    assert bias is None


def test_a_gradient_that_a_hook_has_used_up_has_arrived() -> None:
    model = nn.Linear(4, 2, bias=False)
    model.weight.register_post_accumulate_grad_hook(lambda weight: setattr(weight, "grad", None))
    with modscope.record(model, backward=True) as recorder:
        model(x).sum().backward()
    assert next(parameters(recorder.trace)).gradient == Gradient(arrived=True)


@pytest.mark.parametrize(("dtype", "factor"), [(torch.complex64, 1j), (torch.float64, 1e50)])
@pytest.mark.filterwarnings("error")
def test_norms_of_gradients_are_those_of_all_their_numbers(dtype: torch.dtype, factor: complex) -> None:
    model = nn.Linear(4, 2, dtype=dtype)
    with modscope.record(model, backward=True) as recorder:
        (model(x.to(dtype)) * factor).sum().abs().backward()
    gradient = next(parameters(recorder.trace)).gradient
    assert gradient is not None
    assert model.weight.grad is not None
    assert gradient.norm == pytest.approx(float(model.weight.grad.abs().norm()))


@pytest.mark.parametrize("reentrant", [False, True])
def test_what_checkpointing_runs_again_is_marked_and_its_ops_are_seen(reentrant: bool) -> None:
    class Saves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 3), nn.ReLU())

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = checkpoint(self.body, x, use_reentrant=reentrant)
            return result

    model, given = Saves(), x.clone().requires_grad_()
    with modscope.record(model, backward=True, costs=True) as recorder:
        model(given).sum().backward()
    trace = recorder.trace
    forward = [("", False), ("body", False), ("body.0", False), ("body.1", False)]
    again = [("body", True), ("body.0", True), ("body.1", True)]
    assert [(call.path, call.during_backward) for call in trace.calls] == forward + again
    ops = [(op.name, op.call) for op in trace.ops if op.call is not None]
    assert ops[:3] == [("linear", 2), ("relu", 3), ("linear", 5)]  # torch may stop once it has what it needs
    assert trace.calls[0].flops == 2 * 2 * 4 * 3
    assert "FLOPs       48 (24 MACs)" in str(modscope.summary(trace))
    assert torch._C._len_torch_function_stack() == 0


def test_full_backward_hooks_are_not_used_so_views_may_be_written() -> None:
    class Writes(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).view(-1)

    model = nn.Sequential(Writes(4, 2), nn.ReLU(inplace=True))
    with modscope.record(model, backward=True) as recorder:
        model(x).sum().backward()
    assert [call.gradients is not None for call in recorder.trace.calls] == [True] * 3


def test_views_that_were_written_without_gradients_may_be_returned() -> None:
    class Clears(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            view = super().forward(x).view(-1)
            with torch.no_grad():
                result: Tensor = self.rest(view.mul_(0))
            return result

    model = Clears(4, 2)
    model.rest = nn.Identity()
    with modscope.record(model, backward=True) as recorder:
        model(x).sum().backward()
    assert [call.gradients is not None for call in recorder.trace.calls] == [True] * 2


def test_optimizer_tells_which_parameters_it_holds() -> None:
    model = Heads()
    optimizer = torch.optim.SGD(model.body.parameters())
    with modscope.record(model, optimizer=optimizer) as recorder:
        model(x)
    assert {each.path for each in parameters(recorder.trace) if each.optimized} == {"body.weight", "body.bias"}
    assert {each.optimized for each in parameters(modscope.trace(model, x))} == {None}


def test_what_holds_nan_reads_back_as_it_was() -> None:
    model = nn.Linear(2, 1, bias=False)
    model.register_buffer("large", torch.tensor([2**63, 1], dtype=torch.uint64))
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[float("nan"), 3.0]]))
    with modscope.record(model, values=True, backward=True) as recorder:
        (model(torch.ones(1, 2)) * float("nan")).sum().backward()
    weight, large = recorder.trace.tree.root.parameters[0], recorder.trace.tree.root.buffers[0]
    assert weight.values is not None
    assert large.values is not None
    assert (weight.values.minimum, weight.values.maximum, weight.values.finite) == (3.0, 3.0, False)
    assert (large.values.minimum, large.values.maximum) == (1.0, 2.0**63)
    assert weight.gradient == Gradient(True, False, False, None)
    assert modscope.Trace.from_json(recorder.trace.to_json()) == recorder.trace


def test_values_are_those_before_the_block() -> None:
    model = nn.Linear(4, 2)
    nn.init.constant_(model.weight, 3.0)
    with modscope.record(model, values=True) as recorder:
        with torch.no_grad():
            model.weight[0, 0] = float("nan")
        model(x)
    values = next(parameters(recorder.trace)).values
    assert values is not None
    assert (values.minimum, values.maximum, values.finite) == (3.0, 3.0, True)


def test_without_ops_the_fused_path_stays_on_and_its_bits() -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    given = torch.randn(2, 5, 8)
    with torch.no_grad():
        plain = model(given)
        with modscope.record(model, ops=False) as recorder:
            watched = model(given)
    assert torch.equal(plain, watched)
    assert recorder.trace.ops == ()
    assert [call.path for call in recorder.trace.calls] == ["", "layers.0", "layers.1"]


def test_an_exception_in_the_block_passes_and_leaves_the_trace() -> None:
    model = Heads()
    recorder = modscope.record(model)

    def block() -> None:
        with recorder:
            model(x)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        block()
    trace = recorder.trace  # type: ignore[attr-defined]
    assert modscope.partial_trace(caught.value) is trace
    assert trace.error is not None
    assert (trace.error.type, trace.error.call) == ("ZeroDivisionError", None)
    assert [call.error for call in trace.calls] == [None] * 3
    assert trace.runs[0].error is None


def test_an_exception_that_the_block_handles_is_told_at_its_call() -> None:
    model = Heads()
    with modscope.record(model) as recorder:
        with pytest.raises(RuntimeError):
            model(x[:, :1])
        model(x)
    assert recorder.trace.error is None
    assert [run.error for run in recorder.trace.runs] == ["RuntimeError", None]


def test_what_runs_outside_of_the_model_belongs_to_no_call() -> None:
    model = nn.Linear(4, 2)
    with modscope.record(model) as recorder:
        loss = nn.functional.mse_loss(model(x * 2), torch.zeros(2, 2))
    assert loss.item() > 0
    assert [(op.name, op.call) for op in recorder.trace.ops if op.inputs] == [
        ("mul", None),
        ("linear", 0),
        ("mse_loss", None),
    ]


def test_a_function_mode_of_the_users_sees_what_it_sees_of_a_plain_run() -> None:
    class Mine(TorchFunctionMode):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    def seen(act: Callable[[], Any]) -> list[str]:
        with Mine() as mine:
            act()
        return mine.seen

    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.LSTM(4, 4))

    def step() -> None:
        model(x)[0].sum().backward()

    def recorded() -> None:
        with modscope.record(model, backward=True, values=True):
            step()

    assert seen(lambda: modscope.trace(model, x)) == seen(lambda: model(x))
    assert seen(recorded) == seen(step)


def test_recordings_that_do_not_end_in_their_own_order_see_what_they_are_asked_to() -> None:
    model, x = nn.Sequential(nn.Linear(2, 2)), torch.zeros(1, 2)
    first, second = modscope.record(model), modscope.record(model)
    first.__enter__()
    second.__enter__()
    model(x)
    first.__exit__(None, None, None)
    model(x)
    second.__exit__(None, None, None)
    model(x)
    assert [len(each.trace.calls) for each in (first, second)] == [2, 4]
    assert [len(each.trace.ops) for each in (first, second)] == [1, 2]
    with modscope.record(model) as third:
        model(x)
    assert [len(each.trace.calls) for each in (first, second, third)] == [2, 4, 2]


class Fails(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("on purpose")


def test_a_recording_within_another_names_the_call_that_failed_by_its_own_number() -> None:
    model, x = nn.Sequential(nn.Sequential(Fails())), torch.zeros(2)
    with modscope.record(model) as recorder:
        nn.Identity()(x)
        with pytest.raises(ValueError, match="on purpose") as caught:
            modscope.trace(model[0], x)
        trace = modscope.partial_trace(caught.value)
    assert trace.error is not None
    assert [call.path for call in trace.calls] == ["", "0"]
    assert trace.error.call == 1
    assert [call.path for call in recorder.trace.calls][1:] == ["0", "0.0"]


class Deeper(nn.Module):
    """Calls itself without end, and counts how often."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = 0

    def forward(self, x: Tensor) -> Tensor:
        self.levels += 1
        result: Tensor = self(x)
        return result


@pytest.mark.parametrize("act", [modscope.trace, lambda model, x: _recorded(model, x)], ids=["trace", "record"])
def test_a_forward_without_end_goes_hardly_deeper_than_plainly(act: Any) -> None:
    plain, watched = Deeper(), Deeper()
    counted: list[int] = []
    for model, run in ((plain, Deeper.__call__), (watched, act)):
        with pytest.raises(RecursionError) as caught:
            run(model, torch.zeros(1))
        counted.append(model.levels if run is not modscope.trace else _levels(caught.value))
    assert counted[0] <= counted[1] <= counted[0] + 32


def _levels(error: BaseException) -> int:
    return len(modscope.partial_trace(error).calls)  # what trace() puts back says nothing any more


def _recorded(model: nn.Module, x: Tensor) -> None:
    with modscope.record(model):
        model(x)


def test_the_values_of_memory_that_was_let_go_are_not_known() -> None:
    model = nn.BatchNorm1d(2)
    model.running_mean.untyped_storage().resize_(0)  # type: ignore[union-attr]
    model.running_var.untyped_storage().resize_(4)  # type: ignore[union-attr]
    with modscope.record(model, values=True) as recorder:
        pass
    assert [buffer.values is None for buffer in recorder.trace.tree[""].buffers] == [True, True, False]


def test_a_lazy_module_that_became_whole_counts_with_the_shapes_it_has_now() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d(), nn.LazyLinear(2))
    trace = modscope.trace(model[:2], x)
    with modscope.record(model) as recorder:
        model[0](x)
    assert (trace.tree.total_params, trace.tree.total_buffers) == (4 * 3 + 3 + 6, 7)
    assert [p.initialized for p in parameters(recorder.trace)] == [True, True, True, True, False, False]


def test_where_torch_does_not_tell_its_older_settings_a_trace_does_not_ask() -> None:
    setting = torch.backends.mkldnn.matmul
    before = setting.fp32_precision
    setting.fp32_precision = "bf16"
    try:
        assert modscope.trace(nn.Linear(4, 2), x).calls[0].output_shapes == ((2, 2),)
        assert setting.fp32_precision == "bf16"
    finally:
        setting.fp32_precision = before


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_ops_of_a_function_that_torch_deprecates_are_at_the_users_line() -> None:
    model = nn.Linear(3, 3)
    model(torch.ones(2, 3)).sum().backward()
    with modscope.record(model) as recorder:
        nn.utils.clip_grad_norm(model.parameters(), 1.0)
    assert {op.location.file for op in recorder.trace.ops if op.location} == {__file__}


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * 2


doubled = Doubled.apply


def test_what_a_function_with_a_backward_of_its_own_gives_requires_gradients() -> None:
    class Doubling(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return doubled(x)

    before = dict(vars(torch.autograd.function._SingleLevelFunction))
    model = nn.Sequential(nn.Linear(3, 3), Doubling(), nn.Linear(3, 3))
    with modscope.record(model, costs=True, backward=True) as recorder:
        model(torch.ones(2, 3)).sum().backward()
    trace = recorder.trace
    [given] = leaves(trace.calls[2].outputs)  # type: ignore[arg-type]
    [_, inside, last] = [op for op in trace.ops if op.call is not None]
    assert (given.spec.requires_grad, given.source.op, inside.outputs[0].spec.requires_grad) == (
        True,
        inside.index,
        False,
    )
    assert (last.inputs[0], last.backward_flops) == (given, 2 * last.flops)  # type: ignore[operator]
    assert dict(vars(torch.autograd.function._SingleLevelFunction)) == before
