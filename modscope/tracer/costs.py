"""Op rows -> FLOPs and MACs, by running each distinct op once more on the meta device, where nothing is computed.

What counts: matrix products, convolutions and attention, a multiply-add as two FLOPs or one MAC; biases, elementwise
arithmetic, reductions, normalisation and moving data count nothing. That is the convention of
`torch.utils.flop_counter`, whose registry the formulas come from. On the CPU its own mode sees nothing of attention
and LSTMs, which run there as kernels it has no formula for; on the meta device the same ops fall into products it
knows. formulas.py adds those products that its registry leaves out. What torch refuses to run there, for it depends on
numbers, is counted by its shapes or run on zeros. An op that multiplies in a way without a formula is unknown: it is
counted by name, never as 0.
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

from modscope.data import Call, Op, TensorSpec
from modscope.tracer.formulas import formula_of, formula_of_function
from modscope.tracer.ops import OpRow
from modscope.tracer.refs import Ref
from modscope.tracer.values import Held, Unknown, refs


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one op. None: not known."""

    flops: int | None
    backward_flops: int | None = None


NOTHING = Cost(0, 0)
UNKNOWN = Cost(None)
LARGEST = 1 << 22  # bytes of a tensor of zeros


# Names of ops that multiply numbers with one another, wherever one without a formula is met.
_MULTIPLIES = re.compile(
    r"mm(?![ai])|mv(?!l)|dot|conv(?!ert)|(?<!i)linear(?!space|1d)|\bbilinear\b|\b_trilinear\b|attention|transformer|rnn"
    r"|lstm|gru|einsum|matmul|matrix_(?!H)|linalg_(?!vector_norm|cross|diagonal)|fft|stft|cdist|pdist|cholesky|\b_?lu_"
    r"|svd|(?<!s)qr(?!t)|(?<!slice_)inverse|(?<!re)solve|householder"
)


class Costs:
    """The costs of one trace's ops; equal ops are run once."""

    def __init__(self, spec: Callable[[Ref], TensorSpec], backward: bool) -> None:
        self._spec = spec
        self._backward = backward
        self._known: dict[Any, Cost] = {}
        # ids of refs that are more than they seem: they lack the dimension which vmap maps over, or carry a derivative
        self._more: set[int] = set()

    def of(self, row: OpRow) -> Cost:
        """What one op costs; rows come in the order in which they ran."""
        if self._is_more(row):
            multiplies = differentiates(row) or _may_multiply(row.function.function, row.function.name)
            return UNKNOWN if multiplies and not row.function.escape else NOTHING
        key = row.function, _key(row.args, self._spec), _key(tuple(row.kwargs.items()), self._spec)
        cost = self._known.get(key)
        if cost is None:
            cost = self._known[key] = self._measure(row)
        if cost.backward_flops and not any(self._spec(ref).requires_grad for ref in refs(row.outputs)):
            # without gradients from the call on; else it may be the inside of the user's autograd.Function
            return Cost(cost.flops, None if row.call is None or row.call.grad else 0)
        return cost

    def _is_more(self, row: OpRow) -> bool:
        name = row.function.name
        given = [ref for each in (*row.args, *row.kwargs.values()) for ref in refs(each)]
        more = any(id(ref) in self._more or self._spec(ref).layout == "batched" for ref in given)
        if name == "_make_dual" or (more and name != "_unpack_dual"):
            self._more.update(map(id, refs(row.outputs)))
        return more

    def _measure(self, row: OpRow) -> Cost:
        given = (ref for each in (*row.args, *row.kwargs.values()) for ref in refs(each))
        if row.function.escape or next(given, None) is None:
            return NOTHING
        if differentiates(row):
            return UNKNOWN  # what runs then depends on the graph, which is gone
        try:
            return self._run(row, "meta")
        except Exception:  # torch refuses some ops on the meta device: nonzero, and all that depend on numbers
            if _MULTIPLIES.search(row.function.name):
                return self._by_shapes(row)
        may_multiply = _may_multiply(row.function.function, row.function.name)
        try:
            with torch.random.fork_rng(devices=()):
                cost = self._run(row, "cpu")
        except _TooLarge:
            return UNKNOWN
        except Exception:  # zeros do not do, either
            return UNKNOWN if may_multiply else NOTHING
        return UNKNOWN if may_multiply and cost.flops else cost

    def _by_shapes(self, row: OpRow) -> Cost:
        known = formula_of_function(row.function.function)
        if known is None:
            return UNKNOWN
        formula, factors = known
        given: list[Tensor] = []
        try:
            args, kwargs = self._inputs(row, "meta", given)
            flops = formula(*args, **kwargs)
            gradients = sum(each.requires_grad for each in args[:factors])
        except Exception:
            return UNKNOWN
        return Cost(flops, gradients * flops if factors or not any(each.requires_grad for each in given) else None)

    def _run(self, row: OpRow, device: str) -> Cost:
        with _disable_current_modes(), torch._C.DisableTorchFunction():
            return self._run_past_modes(row, device)

    def _run_past_modes(self, row: OpRow, device: str) -> Cost:
        function = row.function.function
        if function is None:
            raise _Unbuildable
        given: list[Tensor] = []
        args, kwargs = self._inputs(row, device, given)
        with torch.set_grad_enabled(self._backward):
            counter = _Counter()
            with counter:
                output = function(*args, **kwargs)
            if counter.unknown:
                return UNKNOWN
            if not self._backward:
                return Cost(counter.flops)
            return Cost(counter.flops, _backward_flops(output, given))

    def _inputs(self, row: OpRow, device: str, given: list[Tensor]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of an op once more; `given` gets their tensors."""

        def tensor(ref: Ref) -> Tensor:
            made = _stand_in(self._spec(ref), self._backward, device)
            given.append(made)
            return made

        kwargs = {name: _rebuilt(each, tensor, device) for name, each in row.kwargs.items()}
        return [_rebuilt(each, tensor, device) for each in row.args], kwargs


class _Unbuildable(Exception):
    """An argument was not recorded by value."""


class _TooLarge(Exception):
    """Zeros would take too much time and memory."""


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what runs inside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self.unknown = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        formula = formula_of(packet)
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


def _stand_in(spec: TensorSpec, backward: bool, device: str) -> Tensor:
    if spec.layout != "strided" or -1 in spec.shape:
        raise _Unbuildable
    if device != "meta" and spec.nbytes > LARGEST:
        raise _TooLarge
    dtype: torch.dtype = getattr(torch, spec.dtype)
    made = torch.zeros(spec.shape, dtype=dtype, device=device)
    # a copy, for leaves that need gradients refuse to be written in place
    return made.requires_grad_().clone() if backward and spec.requires_grad else made


def _rebuilt(row: Any, tensor: Callable[[Ref], Tensor], device: str) -> Any:
    """The argument that a row tells of."""
    if isinstance(row, Ref):
        return tensor(row)
    if isinstance(row, torch.device):
        return torch.device(device)
    if isinstance(row, Unknown) or (isinstance(row, Held) and row.opened):
        raise _Unbuildable
    if not isinstance(row, Held):
        return row
    items = [_rebuilt(item, tensor, device) for item in row.items]
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


def differentiates(row: OpRow) -> bool:
    """Whether an op runs a backward."""
    return row.function.differentiates or row.function.function is torch.autograd.grad


def _may_multiply(function: Any, name: str) -> bool:
    """Whether an op that could not be run again may be one that counts."""
    known = any(hasattr(torch.ops.aten, each) for each in (name, name.strip("_"))) or name in (
        "__getitem__",
        "__setitem__",
    )
    return function is None or not known or _MULTIPLIES.search(name) is not None


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
            if cost.flops is None or (with_backward and cost.backward_flops is None):
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
