"""Op rows -> FLOPs and MACs, by running each distinct op once more on the meta device, where nothing is computed.

What counts: matrix products, convolutions and attention, a multiply-add as two FLOPs or one MAC; biases, elementwise
arithmetic, reductions, normalisation and moving data count nothing. That is the convention of
`torch.utils.flop_counter`, whose registry the formulas come from. On the CPU its own mode sees nothing of attention
and LSTMs, which run there as kernels it has no formula for; on the meta device the same ops fall into products it
knows. FORMULAS adds those products that its registry leaves out. An op that multiplies in a way without a formula is
unknown: it is counted by name, never as 0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from modscope.data import Call, Op, TensorSpec
from modscope.tracer.identity import Ref
from modscope.tracer.ops import OpRow
from modscope.tracer.values import Held, Unknown, refs

aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one op. None: not known."""

    flops: int | None
    backward_flops: int | None = None


NOTHING = Cost(0, 0)
UNKNOWN = Cost(None)


def _matrix_vector(matrix: Tensor, vector: Tensor, *_: Any, **__: Any) -> int:
    """2mn for an m×n matrix: the case k = 1 of the registry's `mm_flop`, 2mnk."""
    return 2 * matrix.numel()


def _added_matrix_vector(added: Tensor, matrix: Tensor, vector: Tensor, *_: Any, **__: Any) -> int:
    """As `_matrix_vector`; the sum does not count, as in the registry's `addmm_flop`."""
    return 2 * matrix.numel()


def _dot(left: Tensor, right: Tensor, *_: Any, **__: Any) -> int:
    """2n: the case m = n = 1 of the registry's `mm_flop`."""
    return 2 * left.numel()


def _mm(left: Tensor, right: Tensor, *_: Any, **__: Any) -> int:
    """2mnk, the registry's `mm_flop`."""
    return 2 * left.shape[0] * left.shape[1] * right.shape[1]


def _grouped_mm(left: Tensor, right: Tensor, *_: Any, **__: Any) -> int:
    """2mnk, m, n or k being the sum over the groups where one side is two-dimensional; times the groups where none is.

    From the shapes that torch.nn.functional.grouped_mm documents.
    """
    groups = left.shape[0] if left.dim() == right.dim() == 3 else 1
    return 2 * groups * left.shape[-2] * left.shape[-1] * right.shape[-1]


def _attention(query: Tensor, key: Tensor, value: Tensor, embedding: int, heads: int, *weights: Any, **_: Any) -> int:
    """The projections, 2mnk each, and twice 2·b·t·s·e for the attention itself, as in the registry's `sdpa_flop`.

    What torch.nn.functional.multi_head_attention_forward multiplies where it is not fused.
    """
    inputs, _, projection = weights[:3]
    batch, targets, sources = query.shape[0], query.shape[1], key.shape[1]
    projected: int = 2 * query.numel() * (inputs.shape[0] + projection.shape[0])
    return projected + 4 * batch * targets * sources * embedding


def _encoder_layer(source: Tensor, embedding: int, heads: int, *rest: Any, **_: Any) -> int:
    """As `_attention` on one input, and 2mnk for each of the two linear layers; nn.TransformerEncoderLayer unfused."""
    attention, feed_forward = rest[:4], (rest[11], rest[13])
    widths: int = sum(weight.numel() for weight in feed_forward)
    tokens = source.shape[0] * source.shape[1]
    return _attention(source, source, source, embedding, heads, *attention) + 2 * tokens * widths


FORMULAS: dict[Any, Callable[..., int]] = {
    aten.mv: _matrix_vector,
    aten.addmv: _added_matrix_vector,
    aten.dot: _dot,
    aten.vdot: _dot,
    aten._int_mm: _mm,
    aten._grouped_mm: _grouped_mm,
    aten._native_multi_head_attention: _attention,
    aten._transformer_encoder_layer_fwd: _encoder_layer,
    aten._addmm_activation: flop_registry[aten.addmm],
}
# Names of ops that multiply numbers with one another, wherever one without a formula is met.
_MULTIPLIES = re.compile(
    r"mm|mv|dot|conv|linear(?!space)|attention|transformer|rnn|lstm|gru|einsum|matmul|matrix|linalg|fft|stft|cdist|pdist"
    r"|cholesky|_?lu_|svd|qr|inverse|solve|geqrf|ormqr|householder|trilinear"
)


class Costs:
    """The costs of one trace's ops; equal ops are run once."""

    def __init__(self, spec: Callable[[Ref], TensorSpec], backward: bool) -> None:
        self._spec = spec
        self._backward = backward
        self._known: dict[Any, Cost] = {}
        self._batched: set[int] = set()  # ids of refs that lack the dimension which vmap maps over

    def of(self, row: OpRow) -> Cost:
        """What one op costs; rows come in the order in which they ran."""
        if self._is_batched(row):
            multiplies = not row.function.escape and _may_multiply(row.function.function, row.function.name)
            return UNKNOWN if multiplies else NOTHING
        key = row.function, _key(row.args, self._spec), _key(tuple(row.kwargs.items()), self._spec)
        cost = self._known.get(key)
        if cost is None:
            cost = self._known[key] = self._measure(row)
        return cost

    def _is_batched(self, row: OpRow) -> bool:
        given = [ref for each in (*row.args, *row.kwargs.values()) for ref in refs(each)]
        batched = any(id(ref) in self._batched or self._spec(ref).layout == "batched" for ref in given)
        if batched:
            self._batched.update(map(id, refs(row.outputs)))
        return batched

    def _measure(self, row: OpRow) -> Cost:
        given = (ref for each in (*row.args, *row.kwargs.values()) for ref in refs(each))
        if row.function.escape or next(given, None) is None:
            return NOTHING
        try:
            if row.function.function is None:
                raise _Unbuildable
            with _disable_current_modes(), torch._C.DisableTorchFunction():
                return self._run(row.function.function, row)
        except Exception:  # torch refuses some ops on the meta device: nonzero, and all that depend on numbers
            return UNKNOWN if _may_multiply(row.function.function, row.function.name) else NOTHING

    def _run(self, function: Callable[..., Any], row: OpRow) -> Cost:
        given: list[Tensor] = []

        def tensor(ref: Ref) -> Tensor:
            made = _meta(self._spec(ref), self._backward)
            given.append(made)
            return made

        args = [_rebuilt(each, tensor) for each in row.args]
        kwargs = {name: _rebuilt(each, tensor) for name, each in row.kwargs.items()}
        with torch.set_grad_enabled(self._backward):
            counter = _Counter()
            with counter:
                output = function(*args, **kwargs)
            if counter.unknown:
                return UNKNOWN
            if not self._backward:
                return Cost(counter.flops)
            return Cost(counter.flops, _backward_flops(output, given))


class _Unbuildable(Exception):
    """An argument was not recorded by value."""


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what runs inside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self.unknown = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        formula = flop_registry.get(packet) or FORMULAS.get(packet)
        if formula is None:
            with self:
                composed = func.decompose(*args, **kwargs)
            if composed is not NotImplemented:
                return composed
        output = func(*args, **kwargs)
        if formula is not None:
            self.flops += formula(*args, **kwargs, out_val=output)
        elif func.namespace not in ("aten", "prim", "prims") or _MULTIPLIES.search(packet.__name__):
            self.unknown = True
        return output


def _backward_flops(output: Any, given: Iterable[Tensor]) -> int | None:
    """Of the gradients of all inputs that need one, by torch's own formulas of the derivatives."""
    outputs = [each for each in tree_leaves(output) if isinstance(each, Tensor) and each.grad_fn is not None]
    wanted = [each for each in given if each.requires_grad]
    if not outputs or not wanted:
        return 0
    with _Counter() as counter:
        torch.autograd.grad(outputs, wanted, [torch.empty_like(each) for each in outputs], allow_unused=True)
    return None if counter.unknown else counter.flops


def _meta(spec: TensorSpec, backward: bool) -> Tensor:
    if spec.layout != "strided" or -1 in spec.shape:
        raise _Unbuildable
    dtype: torch.dtype = getattr(torch, spec.dtype)
    made = torch.empty(spec.shape, dtype=dtype, device="meta")
    # a copy, for leaves that need gradients refuse to be written in place
    return made.requires_grad_().clone() if backward and spec.requires_grad else made


def _rebuilt(row: Any, tensor: Callable[[Ref], Tensor]) -> Any:
    """The argument that a row tells of."""
    if isinstance(row, Ref):
        return tensor(row)
    if isinstance(row, torch.device):
        return torch.device("meta")
    if isinstance(row, Unknown) or (isinstance(row, Held) and row.opened):
        raise _Unbuildable
    if not isinstance(row, Held):
        return row
    items = [_rebuilt(item, tensor) for item in row.items]
    match row.type:
        case "slice":
            return slice(*items)
        case "list":
            return items
        case "dict":
            return dict(zip(row.keys or (), items, strict=True))
        case _:
            return tuple(items)


def _key(row: Any, spec: Callable[[Ref], TensorSpec]) -> Any:
    """Equal for arguments on which an op costs the same."""
    if isinstance(row, Ref):
        return spec(row)
    if isinstance(row, Held):
        return row.type, tuple([_key(item, spec) for item in row.items])
    if type(row) is tuple:
        return tuple([_key(item, spec) for item in row])
    return type(row), row


def _may_multiply(function: Any, name: str) -> bool:
    """Whether an op that could not be run again may be one that counts."""
    known = hasattr(torch.ops.aten, name.strip("_")) or name in ("__getitem__", "__setitem__")
    return not known or hasattr(function, "__code__") or _MULTIPLIES.search(name) is not None


def with_costs(
    calls: Sequence[Call], ops: Sequence[Op], costs: Sequence[Cost], with_backward: bool
) -> tuple[tuple[Call, ...], tuple[Op, ...]]:
    """The same calls and ops with their costs; a call's are the sums over the ops in it, at any depth."""
    flops, backward = [0] * len(calls), [0] * len(calls)
    unknown: list[Counter[str]] = [Counter() for _ in calls]
    for op, cost in zip(ops, costs, strict=True):
        if op.call is not None:
            flops[op.call] += cost.flops or 0
            backward[op.call] += cost.backward_flops or 0
            if cost.flops is None:
                unknown[op.call][op.name] += 1
    for call in reversed(calls):  # a call comes after the one it ran in
        if call.opaque is not None:
            unknown[call.index][call.type] += 1
        if call.parent is not None:
            flops[call.parent] += flops[call.index]
            backward[call.parent] += backward[call.index]
            unknown[call.parent] += unknown[call.index]
    return (
        tuple(
            replace(
                call,
                flops=flops[call.index],
                macs=flops[call.index] // 2,
                backward_flops=backward[call.index] if with_backward else None,
                unknown_flops=tuple(sorted(unknown[call.index].items())),
            )
            for call in calls
        ),
        tuple(
            replace(
                op,
                flops=cost.flops,
                macs=None if cost.flops is None else cost.flops // 2,
                backward_flops=cost.backward_flops if with_backward else None,
            )
            for op, cost in zip(ops, costs, strict=True)
        ),
    )
