from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import flex_attention

import modscope
from modscope.tracer import caches


class Wide(nn.Module):
    """Too wide for any machine: 4 TB of weights."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(1_000_000, 1_000_000)
        self.norm = nn.BatchNorm1d(1_000_000)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.up(x)).relu()


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(100, 100)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return x if x.sum() > 0 else -x


def test_a_model_larger_than_the_machine_is_built_and_traced() -> None:
    with modscope.fake():
        trace = modscope.trace(Wide(), torch.zeros(8, 1_000_000))
    assert trace.origin == trace.tree.origin == "fake"
    assert trace.tree.total_params == 1_000_003 * 1_000_000
    assert [call.output_shapes for call in trace.calls] == [((8, 1_000_000),)] * 3
    assert {call.outputs.spec.device for call in trace.calls} == {"cpu"}  # type: ignore[union-attr]


def test_a_fake_trace_sees_what_a_real_one_sees() -> None:
    def look() -> modscope.Trace:
        model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.Flatten(), nn.Linear(57_600, 5))
        model(torch.zeros(2, 3, 32, 32))
        return modscope.trace(model, torch.zeros(2, 3, 32, 32))

    real = look()
    with modscope.fake():
        fake = look()
    assert [(call.path, call.input_shapes, call.output_shapes) for call in fake.calls] == [
        (call.path, call.input_shapes, call.output_shapes) for call in real.calls
    ]
    assert [op.name for op in fake.ops] == [op.name for op in real.ops]


def test_experts_run_in_any_dtype_as_they_do_with_numbers() -> None:
    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.Parameter(torch.empty(4, 64, 512))

        def forward(self, x: Tensor) -> Tensor:
            ends = torch.tensor([8, 8, 16, 32], dtype=torch.int32)
            return torch.nn.functional.grouped_mm(x, self.up, offs=ends)

    with modscope.fake(), modscope.record(model := Experts(), costs=True, backward=True) as recorder:
        model(torch.zeros(32, 64)).sum().backward()
    [call] = recorder.trace.calls
    assert (call.output_shapes, call.outputs.spec.dtype) == (((32, 512),), "float32")  # type: ignore[union-attr]
    assert call.flops == 2 * 32 * 64 * 512
    assert recorder.trace.tree[""].parameters[0].gradient.arrived  # type: ignore[union-attr]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_torch_takes_an_op_of_torchscript_apart_into_is_not_the_models() -> None:
    model = nn.Sequential(torch.jit.script(nn.Linear(100, 300)), nn.Linear(300, 2))
    names = [op.name for op in modscope.trace(model, torch.zeros(64, 100)).ops]
    with modscope.fake():
        assert [op.name for op in modscope.trace(model, torch.zeros(64, 100)).ops] == names == ["linear"]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("tokens", [4, 64])
def test_flex_attention_is_one_op(tokens: int) -> None:
    class Flex(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return flex_attention(x, x, x)

    with modscope.fake():
        trace = modscope.trace(Flex(), torch.zeros(1, 2, tokens, 64))
    assert trace.calls[0].output_shapes == ((1, 2, tokens, 64),)
    assert "flex_attention" in [op.name for op in trace.ops]


def test_a_constructor_may_branch_on_small_tensors() -> None:
    with modscope.fake():
        rates = torch.linspace(0, 0.5, 6).tolist()
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_initialisers_that_draw_until_numbers_fit_come_to_an_end() -> None:
    with modscope.fake():
        weight = nn.init.trunc_normal_(nn.Parameter(torch.empty(1000, 1000)))
        nn.init.trunc_normal_(weight, a=-0.1, b=0.1)
    assert weight.shape == (1000, 1000)


def test_a_small_tensor_that_took_fake_values_has_no_numbers_any_more() -> None:
    with modscope.fake():
        counts = torch.zeros(8)
        counts[0] = torch.zeros(10_000).sum()
        with pytest.raises(modscope.ModscopeError, match="asks for the number in a fake tensor"):
            counts.sum().item()


def test_what_comes_of_fake_tensors_is_fake_however_small() -> None:
    with modscope.fake():
        places = torch.zeros(100, 100).topk(2).indices.to(torch.int32).long()
        with pytest.raises(modscope.ModscopeError, match="asks for the number"):
            places.sum().item()


def test_a_branch_on_data_names_its_line_and_a_way_out() -> None:
    line = Branching.forward.__code__.co_firstlineno + 2
    with modscope.fake(), pytest.raises(modscope.ModscopeError) as caught:
        modscope.trace(Branching(), torch.zeros(64, 100))
    assert f"{__file__}:{line} asks for the number in a fake tensor" in str(caught.value)
    assert "real inputs" in str(caught.value)
    assert caught.value.__cause__ is not None
    assert modscope.partial_trace(caught.value).calls[1].path == "body"


def test_a_real_model_traced_under_fake_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(500, 500), nn.BatchNorm1d(500))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    parameters = list(model.parameters())
    with modscope.fake():
        trace = modscope.trace(model, torch.zeros(64, 500))
    assert trace.origin == "fake"
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(now is then for now, then in zip(model.parameters(), parameters, strict=True))
    assert modscope.trace(model, torch.zeros(64, 500)).origin == "real"


def test_a_model_on_the_meta_device_stands_in_with_its_ties_and_is_put_back() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Embedding(50_000, 1000), nn.Linear(1000, 50_000, bias=False))
    model[1].weight = model[0].weight
    with modscope.fake():
        trace = modscope.trace(model, torch.zeros(8, 16, dtype=torch.long))
    assert trace.tree.total_params == 50_000_000
    assert trace.calls[0].output_shapes == ((8, 16, 50_000),)
    assert model[0].weight is model[1].weight
    assert model[0].weight.is_meta


def test_a_model_made_in_one_block_runs_in_another() -> None:
    with modscope.fake():
        model = Wide()
    with modscope.fake():
        trace = modscope.trace(model, torch.zeros(8, 1_000_000))
    assert trace.origin == "fake"


def test_a_fake_model_changes_its_dtype() -> None:
    with modscope.fake():
        model = Wide().half()
        trace = modscope.trace(model, torch.zeros(8, 1_000_000, dtype=torch.float16))
        model.to(torch.bfloat16)
    assert trace.calls[0].outputs.spec.dtype == "float16"  # type: ignore[union-attr]
    assert {p.spec.dtype for m in modscope.inspect(model).values() for p in m.parameters} == {"bfloat16"}


def test_fake_blocks_nest() -> None:
    with modscope.fake(), modscope.fake():
        model = Wide()
    assert modscope.inspect(model).origin == "fake"


def test_after_the_block_tensors_are_real_again() -> None:
    with modscope.fake():
        torch.zeros(10_000)
    assert torch.zeros(10_000).sum().item() == 0


def test_the_users_exception_under_fake_passes_unchanged() -> None:
    with modscope.fake(), pytest.raises(RuntimeError, match="batch dim") as caught:
        modscope.trace(nn.Bilinear(100, 100, 100), torch.zeros(64, 100), torch.zeros(63, 100))
    assert not isinstance(caught.value, modscope.ModscopeError)


def test_lazy_modules_become_whole_without_numbers() -> None:
    with modscope.fake():
        model = nn.Sequential(nn.LazyConv2d(100, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(1000))
        trace = modscope.trace(model, torch.zeros(64, 50, 20, 20))
    assert trace.origin == "fake"
    assert [call.output_shapes for call in trace.calls][-1] == ((64, 1000),)
    assert {note.kind for note in trace.not_undone} == {"lazy-materialised"}


def test_an_operator_that_cannot_be_fake_is_named_with_its_line_and_a_way_out() -> None:
    class Ragged(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.nested.nested_tensor([x, x])

    line = Ragged.forward.__code__.co_firstlineno + 1
    with modscope.fake(), pytest.raises(modscope.ModscopeError) as caught:
        modscope.trace(Ragged(), torch.zeros(100, 100))
    assert f"{__file__}:{line} runs aten::_nested_tensor_from_tensor_list" in str(caught.value)
    assert "real inputs outside fake()" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_what_torch_has_no_kernel_for_without_numbers_is_named() -> None:
    class Packed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch._empty_affine_quantized(x.shape, scale=1.0, zero_point=0, dtype=torch.qint8)

    with modscope.fake(), pytest.raises(modscope.ModscopeError, match=r"test_fake.py:\d+ runs aten::_empty_affine"):
        modscope.trace(Packed(), torch.zeros(100, 100))


class Tables(nn.Module):
    """Keeps what it has computed in a dict, in a list and in an object, and counts its calls in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(100, 100))
        self.by_size: dict[int, tuple[Tensor]] = {}
        self.latest: list[Tensor | None] = [None]
        self.helper = types.SimpleNamespace(bias=None)
        self.calls: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append(len(x))
        if len(x) not in self.by_size:
            self.by_size[len(x)] = (self.weight * 2,)
            self.latest[0] = self.helper.bias = self.weight.sum(0)
        return x @ self.by_size[len(x)][0] + self.latest[0] + self.helper.bias


def test_no_fake_tensor_stays_in_the_caches_of_a_model() -> None:
    model, x = Tables(), torch.ones(100, 100)
    with modscope.fake():
        trace = modscope.trace(model, x)
    assert [note.path for note in trace.not_undone] == ["calls"]
    assert torch.equal(model(x), torch.full((100, 100), 400.0))
    with modscope.fake():
        assert not modscope.trace(model, x).not_undone[1:]
    assert torch.equal(model.by_size[100][0], model.weight * 2)


def test_the_caches_of_a_model_are_put_back_wherever_an_interrupt_hits() -> None:
    x, before = torch.ones(100, 100), sys.gettrace()
    for nth in itertools.count(1):
        model, lines = Tables(), itertools.count(1)

        def strike(frame: types.FrameType, event: str, _: Any, lines: Any = lines, nth: int = nth) -> Any:
            if frame.f_code.co_filename != caches.__file__:
                return None
            if event == "line" and next(lines) == nth:
                raise KeyboardInterrupt
            return strike

        sys.settrace(strike)
        try:
            with modscope.fake():
                modscope.trace(model, x)
            break
        except KeyboardInterrupt:
            sys.settrace(before)
            assert torch.equal(model(x), torch.full((100, 100), 400.0))
        finally:
            sys.settrace(before)
    assert nth > 20


class Weighs(nn.Module):
    """Multiplies with a matrix that is neither a parameter nor strided."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.linear = nn.Linear(100, 100)
        self.matrix = matrix

    def forward(self, x: Tensor) -> Any:
        return self.matrix @ self.linear(x)


def test_a_sparse_matrix_made_outside_is_multiplied_under_fake() -> None:
    model = Weighs(torch.eye(100).to_sparse())
    with modscope.fake():
        trace = modscope.trace(model, torch.zeros(100, 100))
        again = modscope.trace(model, torch.zeros(100, 100).zero_())  # also after real memory was written
    assert trace.calls[0].output_shapes == again.calls[0].output_shapes == ((100, 100),)


def test_a_tensor_made_outside_that_cannot_be_fake_is_named() -> None:
    model = Weighs(torch.quantize_per_tensor(torch.zeros(100, 100), 1.0, 0, torch.qint8))
    with modscope.fake(), pytest.raises(modscope.ModscopeError, match=r"test_fake.py:\d+ runs .*quantized"):
        modscope.trace(model, torch.zeros(100, 100))


@pytest.mark.parametrize(
    "act",
    [lambda x: x.numpy(), lambda x: f"{x.mean():.2f}", numpy.sum, lambda x: torch.tensor([x.mean(), 1.0])],
)
def test_numbers_for_numpy_or_a_text_are_missed_by_name(act: Callable[[Tensor], Any]) -> None:
    class Leaves(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return act(x)

    with modscope.fake(), pytest.raises((RuntimeError, TypeError)) as caught:
        modscope.trace(Leaves(), torch.zeros(100, 100))
    assert "no numbers to hand to NumPy" in caught.value.__notes__[0]


@pytest.mark.parametrize("options", [{"backward": True}, {"values": True}, {"dispatch": True}, {"costs": True}])
def test_every_option_of_record_works_without_numbers(options: dict[str, bool]) -> None:
    with modscope.fake():
        model = nn.Linear(100, 100)
        with modscope.record(model, **options) as recorder:
            model(torch.zeros(64, 100)).sum().backward()
    trace = recorder.trace
    [weight, _] = trace.tree.root.parameters
    assert trace.origin == "fake"
    assert weight.values is None
    assert (weight.gradient is not None) == ("backward" in options)
    if weight.gradient is not None:
        assert (weight.gradient.arrived, weight.gradient.zero, weight.gradient.finite) == (True, None, None)


@pytest.mark.parametrize("width", [4, 100])
def test_operators_that_run_functions_run_without_numbers(width: int) -> None:
    class Either(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            chosen: Tensor = torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,))
            return chosen

    with modscope.fake(), torch.no_grad():
        trace = modscope.trace(Either(), torch.zeros(width, width))
    assert trace.calls[0].output_shapes == ((width, width),)


class SharedMemory(nn.Module):
    """Writes and reads memory under several names, old ones and new ones."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("whole", torch.zeros(size, size))
        self.register_buffer("part", self.whole[1:])
        self.weight = nn.Parameter(torch.zeros(size, size))
        self.flat = self.weight.data.view(-1)
        self.held = [torch.zeros(size, size)]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        self.part.add_(x)
        row = self.whole[2:]
        row.mul_(2)
        data, view = self.weight.data, self.held[0].view(-1)
        data.sub_(1)
        self.held[0].zero_()
        return self.whole * 1, self.part * 2, self.flat * 3, self.weight * 4, view * 5


@pytest.mark.parametrize("size", [4, 100])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_memory_that_a_model_made_outside_shares_is_written_for_all_its_names(size: int, device: str) -> None:
    real = modscope.trace(SharedMemory(size), torch.zeros(1))
    with torch.device(device):
        model = SharedMemory(size)
    with modscope.fake():
        trace = modscope.trace(model, torch.zeros(1))
    sources, expected = ([[ref.source for ref in op.inputs] for op in each.ops] for each in (trace, real))
    assert sources == expected
    assert [note.path for note in trace.not_undone] == [note.path for note in real.not_undone]
    written = [source.op for (source, *_), op in zip(sources, trace.ops, strict=True) if op.name == "mul"]
    assert None not in written


def test_a_lazy_module_on_the_meta_device_becomes_whole_there() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.LazyLinear(300), nn.LazyBatchNorm1d())
    for _ in range(2):
        with modscope.fake():
            trace = modscope.trace(model, torch.zeros(5, 200))
        assert [call.output_shapes for call in trace.calls[1:]] == [((5, 300),)] * 2
    kept = [*model.parameters(), *model.buffers()]
    assert {type(tensor).__name__ for tensor in kept} == {"Parameter", "Tensor"}
    assert {str(tensor.device) for tensor in kept} == {"meta"}
    assert sum(parameter.numel() for parameter in model.parameters()) == trace.tree.total_params == 60_900


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_numbers_may_be_given_to_a_parameter_without_any(device: str) -> None:
    class Tied(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            self.weight.data = torch.ones(4, 100)
            return super().forward(x)

    with torch.device(device):
        model = Tied(100, 200, bias=False)
    with modscope.fake():
        trace = modscope.trace(model, torch.zeros(2, 100))
    assert trace.calls[0].output_shapes == ((2, 4),)
    assert [op.name for op in trace.ops] == ["ones", "data", "linear"]
    assert trace.ops[-1].inputs[1].source.op == 1


def test_packing_a_sequence_without_numbers_is_named_with_its_line_and_a_way_out() -> None:
    class Packs(nn.Module):
        def forward(self, x: Tensor, lengths: Tensor) -> Any:
            return nn.utils.rnn.pack_padded_sequence(x, lengths)

    with (
        modscope.fake(),
        pytest.raises(modscope.ModscopeError, match=r"test_fake.py:\d+ asks for .*pack_padded.* smaller configuration"),
    ):
        modscope.trace(Packs(), torch.zeros(5, 3, 1000), torch.tensor([5, 3, 2]))


class GivenMemory(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        with torch.device("meta"):
            linear = nn.Linear(3, 3)
        return linear.to_empty(device="cpu")(x)  # type: ignore[no-any-return]


def test_a_module_made_in_a_forward_is_given_memory_as_in_a_plain_run() -> None:
    with modscope.fake():
        trace = modscope.trace(GivenMemory(), torch.ones(2, 3))
    assert trace.calls[0].output_shapes == ((2, 3),)
