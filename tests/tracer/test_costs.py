"""FLOPs against formulas written by hand, and against torch's own counter where that is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import modscope


class Run(nn.Module):
    """A module that does this."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        super().__init__()
        self._forward = forward

    def forward(self, *args: Any) -> Any:
        return self._forward(*args)


def root(model: nn.Module, *args: Any, backward: bool = False) -> Any:
    with modscope.record(model, costs=True, backward=backward) as recorder:
        output = model(*args)
        if backward:
            output.sum().backward()
    return recorder.trace.calls[0]


x, matrix, vector = torch.zeros(2, 5, 8), torch.eye(6, 8), torch.zeros(8)
image, heads = torch.zeros(2, 3, 16, 16), torch.zeros(2, 4, 10, 8)

BY_HAND = {
    "linear": (nn.Linear(8, 16), (x,), 2 * 10 * 8 * 16),
    "the bias of a linear counts nothing": (nn.Linear(8, 16, bias=False), (x,), 2 * 10 * 8 * 16),
    "matrix product": (Run(lambda a: a @ matrix.T), (x,), 2 * 10 * 8 * 6),
    "batched product": (Run(lambda a: a @ a.mT), (x,), 2 * 2 * 5 * 8 * 5),
    "matrix by vector": (Run(lambda a: matrix @ a), (vector,), 2 * 6 * 8),
    "dot product": (Run(lambda a: a @ a), (vector,), 2 * 8),
    "a product added in place": (Run(lambda a: a.clone().addmm_(a, a)), (torch.eye(6),), 2 * 6 * 6 * 6),
    "einsum": (Run(lambda a: torch.einsum("bik,bjk->bij", a, a)), (x,), 2 * 2 * 5 * 8 * 5),
    "baddbmm": (Run(lambda a: torch.baddbmm(torch.zeros(1), a, a.mT)), (x,), 2 * 2 * 5 * 8 * 5),
    "convolution": (nn.Conv2d(3, 7, 3, padding=1), (image,), 2 * 2 * 7 * 16 * 16 * 3 * 9),
    "strided convolution": (nn.Conv2d(3, 7, 4, stride=4), (image,), 2 * 2 * 7 * 4 * 4 * 3 * 16),
    "grouped convolution": (nn.Conv2d(3, 3, 3, groups=3, padding=1), (image,), 2 * 2 * 3 * 16 * 16 * 9),
    "transposed convolution": (nn.ConvTranspose2d(3, 7, 2, stride=2), (image,), 2 * 2 * 3 * 16 * 16 * 7 * 4),
    "attention": (Run(F.scaled_dot_product_attention), (heads, heads, heads), 2 * 2 * 2 * 4 * 10 * 10 * 8),
    "LSTM": (nn.LSTM(8, 16, batch_first=True), (x,), 2 * 10 * (8 + 16) * 4 * 16),
    "two LSTM layers, both ways": (
        nn.LSTM(8, 16, 2, bidirectional=True, batch_first=True),
        (x,),
        2 * 10 * 2 * 4 * 16 * ((8 + 16) + (32 + 16)),
    ),
    "GRU": (nn.GRU(8, 16, batch_first=True), (x,), 2 * 10 * (8 + 16) * 3 * 16),
    "RNN": (nn.RNN(8, 16, batch_first=True), (x,), 2 * 10 * (8 + 16) * 16),
    "GRU of a packed sequence: 6 rows of 3 sequences": (
        nn.GRU(8, 16),
        (nn.utils.rnn.pack_padded_sequence(torch.zeros(3, 3, 8), torch.tensor([3, 2, 1])),),
        2 * 6 * (8 + 16) * 3 * 16,
    ),
    "experts, in a dtype that torch refuses on the meta device": (
        Run(lambda a: F.grouped_mm(a, torch.zeros(2, 16, 16), offs=torch.tensor([8, 16], dtype=torch.int32))),
        (torch.eye(16),),
        2 * 16 * 16 * 16,
    ),
    "products of a batch, added up": (Run(lambda a: torch.addbmm(torch.zeros(1), a, a.mT)), (x,), 2 * 2 * 5 * 8 * 5),
    "affine grid": (Run(lambda a: F.affine_grid(a, [1, 1, 4, 4], False)), (torch.zeros(1, 2, 3),), 2 * 16 * 3 * 2),
    "LSTM cell": (nn.LSTMCell(8, 16), (matrix,), 2 * 6 * (8 + 16) * 4 * 16),
    "multi-head attention": (
        nn.MultiheadAttention(8, 2, batch_first=True),
        (x, x, x),
        2 * 10 * 8 * 8 * 4 + 2 * 2 * 2 * 5 * 5 * 8,
    ),
    "encoder layer, where torch would fuse it": (
        nn.TransformerEncoderLayer(8, 2, 32, batch_first=True).eval(),
        (x,),
        2 * 10 * 8 * 8 * 4 + 2 * 2 * 2 * 5 * 5 * 8 + 2 * 2 * 10 * 8 * 32,
    ),
    "elementwise, norms, pooling and moving": (
        Run(lambda a: F.max_pool2d(F.relu(F.batch_norm(a, None, None, training=True)), 2).flatten(1)[:, 0] * 2),
        (image,),
        0,
    ),
    "embedding": (nn.Embedding(10, 4), (torch.zeros(3, dtype=torch.long),), 0),
    "asking the data in torch's own Python": (
        Run(lambda a: F.gaussian_nll_loss(a, a, a.abs() + 1) + torch.unique(a).sum()),
        (x,),
        0,
    ),
    "a lazy module, materialised": (nn.LazyLinear(16), (x,), 2 * 10 * 8 * 16),
    "choosing by data": (Run(lambda a: a[a > 0].sum() + a.nonzero().sum()), (x,), 0),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_flops_are_those_counted_by_hand(name: str) -> None:
    model, args, expected = BY_HAND[name]
    call = root(model, *args)
    assert (call.flops, call.macs, call.unknown_flops) == (expected, expected // 2, ())


def test_fused_paths_cost_what_they_cost_unfused() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 32, batch_first=True).eval()
    for model, args in ((layer, (x,)), (nn.MultiheadAttention(8, 2, batch_first=True).eval(), (x, x, x))):
        with torch.no_grad():
            fused = root(model, *args)
        unfused = root(model, *args)
        assert fused.flops == unfused.flops > 0
        assert fused.unknown_flops == ()


def test_fused_attention_of_the_cpu_costs_what_it_costs_unfused() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True, bias=False).eval()
    unfused = root(attention, x, x, x)
    with torch.no_grad():
        fused = root(Run(lambda a: attention(a, a, a, need_weights=False)), x)
    assert (fused.flops, fused.unknown_flops) == (unfused.flops, ())


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 5))


@pytest.mark.parametrize(
    ("model", "given"), [(network(), image), (nn.GRU(8, 16), x), (nn.Sequential(nn.Linear(8, 9), nn.Linear(9, 7)), x)]
)
def test_flops_agree_with_torchs_counter_where_it_is_right(model: nn.Module, given: Tensor) -> None:
    with FlopCounterMode(display=False) as counter:
        model(given)
    assert root(model, given).flops == counter.get_total_flops()


def test_backward_flops_agree_with_torchs_counter() -> None:
    model = network()
    with FlopCounterMode(display=False) as forward:
        output = model(image)
    with FlopCounterMode(display=False) as backward:
        output.sum().backward()
    call = root(model, image, backward=True)
    assert (call.flops, call.backward_flops) == (forward.get_total_flops(), backward.get_total_flops())


def test_backward_flops_are_counted_only_where_backward_was_recorded() -> None:
    assert root(network(), image).backward_flops is None


def test_what_ran_without_gradients_has_no_backward() -> None:
    class Student(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.teacher, self.own = nn.Linear(8, 8), nn.Linear(8, 2)

        def forward(self, a: Tensor) -> Tensor:
            with torch.no_grad():
                taught = self.teacher(a)
            return self.own(taught)

    call = root(Student(), x, backward=True)
    assert (call.flops, call.backward_flops) == (2 * 10 * (8 * 8 + 8 * 2), 2 * 10 * 8 * 2)
    assert call.unknown_flops == ()


def test_backward_flops_of_a_function_with_a_backward_of_its_own_are_unknown() -> None:
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
            return a @ b

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Any:
            return gradient, None

    weight = torch.eye(8, requires_grad=True)
    call = root(Run(lambda a: Product.apply(a, weight)), x[0].requires_grad_(), backward=True)
    assert (call.flops, call.backward_flops, call.unknown_flops) == (2 * 5 * 8 * 8, 0, (("matmul", 1),))


def test_where_only_the_backward_has_no_formula_the_op_is_listed() -> None:
    packed = nn.utils.rnn.pack_padded_sequence(torch.zeros(3, 3, 8), torch.tensor([3, 2, 1]))
    with modscope.record(gru := nn.GRU(8, 16), costs=True, backward=True) as recorder:
        gru(packed)[1].sum().backward()
    call = recorder.trace.calls[0]
    assert (call.flops, call.unknown_flops) == (2 * 6 * (8 + 16) * 3 * 16, (("gru", 1),))


def test_gradients_of_both_factors_of_experts_are_counted() -> None:
    experts, ends = nn.Parameter(torch.zeros(2, 16, 16)), torch.tensor([8, 16], dtype=torch.int32)
    model = Run(lambda a: F.grouped_mm(a, experts, offs=ends).square())
    for needed in (False, True):
        call = root(model, torch.eye(16).requires_grad_(needed), backward=True)
        assert (call.flops, call.backward_flops, call.unknown_flops) == (8192, 8192 * (1 + needed), ())


def test_what_carries_a_forward_derivative_is_unknown() -> None:
    linear = nn.Linear(8, 2)
    call = root(Run(lambda a: torch.func.jvp(linear, (a,), (a,))[1] @ torch.eye(2)), x[0])
    assert (call.flops, call.unknown_flops) == (2 * 5 * 2 * 2, (("linear", 1),))


def test_a_call_costs_what_the_ops_in_it_cost() -> None:
    model = nn.Sequential(nn.Linear(8, 4), nn.Sequential(nn.Linear(4, 2), nn.ReLU()))
    with modscope.record(model, costs=True) as recorder:
        model(x)
    assert [(call.path, call.flops) for call in recorder.trace.calls] == [
        ("", 800),
        ("0", 640),
        ("1", 160),
        ("1.0", 160),
        ("1.1", 0),
    ]
    assert [op.flops for op in recorder.trace.ops] == [640, 160, 0]


def test_ops_without_a_formula_are_listed_and_counted() -> None:
    model = Run(lambda a: (torch.fft.fft(a).real, torch.fft.fft(a).imag, torch.linalg.inv(a @ a.mT)))
    call = root(model, torch.eye(6, 8))
    assert call.unknown_flops == (("fft_fft", 2), ("linalg_inv", 1))
    assert call.flops == 2 * 6 * 8 * 6


def test_a_backward_inside_a_forward_is_unknown_whatever_is_recorded() -> None:
    linear = nn.Linear(8, 2)

    def forward(a: Tensor) -> Tensor:
        linear(a).sum().backward()
        return linear.weight

    for backward in (False, True):
        call = root(Run(forward), x[0], backward=backward)
        assert (call.flops, call.unknown_flops) == (2 * 5 * 8 * 2, (("backward", 1),))


def test_under_vmap_what_multiplies_is_unknown_for_the_mapped_dimension_is_not_seen() -> None:
    linear = nn.Linear(8, 2)
    call = root(Run(lambda a: torch.vmap(lambda row: linear(F.relu(row + 1).sin()))(a) @ torch.eye(2)), x[0])
    assert (call.flops, call.unknown_flops) == (2 * 5 * 2 * 2, (("linear", 1),))


def test_gradients_of_each_sample_under_vmap_are_unknown() -> None:
    linear = nn.Linear(8, 2)
    each = torch.vmap(torch.func.grad(lambda row: linear(row).sum()))
    assert root(Run(each), x[0]).unknown_flops == (("grad", 1), ("linear", 1))


def test_costs_are_left_out_unless_asked_for() -> None:
    trace = modscope.trace(nn.Linear(8, 2), x)
    assert trace.calls[0].flops is None
    assert trace.ops[0].flops is None


def test_costs_without_ops_are_refused() -> None:
    with pytest.raises(modscope.ModscopeError, match="counts op by op"):
        modscope.record(nn.Linear(8, 2), costs=True, ops=False)


def test_equal_ops_cost_equal_and_other_shapes_do_not() -> None:
    linear = nn.Linear(8, 2)
    with modscope.record(linear, costs=True) as recorder:
        linear(x), linear(x), linear(x[:1])
    assert [op.flops for op in recorder.trace.ops if op.name == "linear"] == [320, 320, 160]


def test_costs_of_a_fake_run_are_those_of_a_real_one() -> None:
    def cost() -> Any:
        return root(nn.TransformerEncoderLayer(64, 4, 256, batch_first=True), torch.zeros(2, 100, 64)).flops

    real = cost()
    with modscope.fake():
        assert cost() == real


def test_reading_costs_moves_no_random_number() -> None:
    model = nn.Sequential(nn.Dropout(), nn.Linear(8, 2))
    with modscope.record(model, costs=True) as recorder:
        model(x)
    before = torch.get_rng_state()
    assert recorder.trace.calls[0].flops == 320
    assert torch.equal(torch.get_rng_state(), before)


def test_memory_of_activations_is_what_ops_made() -> None:
    model = nn.Sequential(nn.Linear(10, 1000), nn.Linear(1000, 10), nn.Linear(10, 500))
    trace = modscope.trace(model, torch.zeros(1, 10))
    assert trace.activation_bytes == 4 * 1510
    assert trace.peak_activation_bytes == 4 * 1010


def test_what_a_forward_returns_is_alive_until_it_ends() -> None:
    class Steps(nn.Module):
        def forward(self, a: Tensor) -> list[Tensor]:
            states = [a]
            for _ in range(5):
                states.append(states[-1] + 1)
            return states

    model = Steps()
    assert modscope.trace(model, x).peak_activation_bytes == 5 * 4 * 80
    with modscope.record(model) as recorder:  # what became of the first list nobody knows
        model(x), model(x)
    assert recorder.trace.peak_activation_bytes == 5 * 4 * 80


def test_memory_that_a_write_lets_grow_counts_as_it_is_then() -> None:
    model = Run(lambda a: torch.cat([a, a], out=torch.empty(0)))
    trace = modscope.trace(model, x)
    assert trace.activation_bytes == trace.peak_activation_bytes == 2 * 4 * 80


def test_views_and_writes_in_place_take_no_memory() -> None:
    model = Run(lambda a: (a + 1).view(-1).relu_()[:3])
    trace = modscope.trace(model, x)
    assert trace.activation_bytes == trace.peak_activation_bytes == 4 * 80


@pytest.mark.parametrize(
    ("function", "shapes", "flops"),
    [
        (F.bilinear, [(5, 3), (5, 4), (6, 3, 4)], 2 * 5 * 6 * 3 * 4 + 2 * 5 * 6 * 4),
        (torch.cdist, [(2, 30, 3), (2, 40, 3)], 2 * 2 * 30 * 40 * (3 + 2)),
        (torch.cov, [(3, 9)], 2 * 3 * 9 * 3),  # torch refuses it on the meta device
        (lambda a: torch.rsqrt(F.relu(a + 1, inplace=True)), [(3, 9)], 0),
        (F.cosine_similarity, [(3, 9), (3, 9)], 0),
        (lambda a: torch.where(a > 0)[0], [(3, 9)], 0),
    ],
    ids=["bilinear", "cdist", "cov", "rsqrt and relu_", "cosine", "where"],
)
def test_what_is_counted_follows_from_what_runs_and_not_from_its_name(
    function: Callable[..., Any], shapes: list[Any], flops: int
) -> None:
    call = root(Run(function), *map(torch.ones, shapes))
    assert (call.flops, call.unknown_flops) == (flops, ())


def differentiates(a: Tensor) -> Tensor:
    leaf = a.detach().requires_grad_()
    (leaf * 2).sum().backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    return leaf.grad


@pytest.mark.parametrize(
    ("function", "shapes", "name"),
    [
        (torch.cdist, [(3, 2), (4, 2)], "cdist"),  # of few points: differences, added up
        (differentiates, [(3, 3)], "backward"),
        (torch.func.grad(lambda a: a.sin().sum()), [(3, 3)], "grad"),
        (torch.cov, [(2, 2_000_000)], "cov"),  # too large to be run on zeros
    ],
    ids=["cdist", "backward", "grad", "cov"],
)
def test_what_no_formula_knows_is_told_by_name(function: Callable[..., Any], shapes: list[Any], name: str) -> None:
    assert root(Run(function), *map(torch.ones, shapes)).unknown_flops == ((name, 1),)


def test_memory_that_a_fused_path_views_counts_once() -> None:
    with torch.no_grad():
        trace = modscope.trace(nn.TransformerDecoderLayer(8, 2, 16, batch_first=True).eval(), x, x)
    views = [op for op in trace.ops if op.name == "_unsafe_view"]
    assert views
    assert all(op.outputs[0].storage == op.inputs[0].storage for op in views)


class Branches(nn.Module):
    """Two heads on one body, each of which costs 2 * 4 * 8 * 8 FLOPs; the body's input needs no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.other = (nn.Linear(8, 8, bias=False) for _ in range(3))
        self.matrix = nn.Parameter(torch.randn(8, 8))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        self.hidden = self.body(x)
        aside = self.hidden.detach() @ self.matrix
        return self.head(self.hidden), self.other(self.hidden), aside


ONE = 2 * 4 * 8 * 8


def _double(output: tuple[Tensor, ...], model: Branches) -> None:
    Doubled.apply(output[0]).sum().backward()


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        half = x / 2
        return half * 4

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * 2


@pytest.mark.parametrize(
    ("backward", "expected"),
    [
        (lambda output, model: (output[0] + output[1] + output[2]).sum().backward(), [1, 2, 2, 1]),
        (lambda output, model: output[0].sum().backward(), [1, 2, 0, 0]),
        (lambda output, model: (output[1].detach() + output[2]).sum().backward(), [0, 0, 0, 1]),
        (lambda output, model: model.hidden.sum().backward(), [1, 0, 0, 0]),
        (lambda output, model: torch.autograd.backward([output[1].sum()]), [1, 0, 2, 0]),
        (lambda output, model: torch.autograd.grad(output[0].sum(), [model.body.weight]), [1, 2, 0, 0]),
        (lambda output, model: torch.vmap(torch.sum)(output[0])[0].backward(), [1, 2, 0, 1]),
        (_double, [1, 2, 0, 0]),
        (lambda output, model: None, [1, 2, 2, 1]),
    ],
    ids=["all", "one", "aside", "attribute", "backward", "grad", "vmap", "function", "none"],
)
def test_a_branch_that_no_gradient_came_back_through_costs_no_backward(
    backward: Callable[[Any, Branches], Any], expected: list[int]
) -> None:
    model = Branches()
    with modscope.record(model, costs=True, backward=True) as recorder:
        backward(model(torch.randn(4, 8)), model)
    counted = {op.owner + op.name: op.backward_flops for op in recorder.trace.ops if op.flops}
    assert [(flops or 0) // ONE for flops in counted.values()] == [expected[0], expected[3], *expected[1:3]]
    root, *calls = recorder.trace.calls
    assert [call.backward_flops for call in calls] == [each * ONE for each in expected[:3]]
    assert root.backward_flops == sum(expected) * ONE


def test_numpys_numbers_are_numbers() -> None:
    def forward(x: Tensor) -> Tensor:
        larger = F.interpolate(x, scale_factor=(np.float64(2), np.float32(2)))
        return F.conv2d(larger, torch.ones(1, 1, 3, 3), padding=np.int64(1))

    call = root(Run(forward), torch.ones(1, 1, 4, 4))
    assert (call.flops, call.unknown_flops) == (2 * 9 * 64, ())
    trace = modscope.trace(Run(forward), torch.ones(1, 1, 4, 4))
    assert ("scale_factor", "(2.0, 2.0)") in trace.ops[0].arguments
