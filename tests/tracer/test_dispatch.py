"""`record(dispatch=True)`: what runs below Python has producers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import modscope
from modscope.data import leaves


class Run(nn.Module):
    """A module that does this, and then adds one in Python."""

    def __init__(self, act: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.act = act
        self.out = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(x))


def scripted(x: Tensor) -> Tensor:
    if bool(x.sum() > 0):
        return x * 2
    return x


BELOW: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "vmap": lambda: lambda x: torch.vmap(lambda row: row.sin() @ torch.eye(4))(x),
    "grad": lambda: torch.func.grad(lambda x: (x**2).sum()),
    "vmap of grad": lambda: torch.vmap(torch.func.grad(lambda row: (row**2).sum())),
    "TorchScript": lambda: torch.jit.script(scripted),
    "a ScriptModule": lambda: torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.ReLU())),
}


def record(model: nn.Module, x: Tensor, **options: Any) -> modscope.Trace:
    with modscope.record(model, **options) as recorder:
        model(x)
    return recorder.trace


def sources(trace: modscope.Trace) -> set[str]:
    return {ref.source.kind for op in trace.ops for ref in op.inputs}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", BELOW)
def test_no_tensor_comes_from_nowhere(name: str) -> None:
    model, x = Run(BELOW[name]()), torch.ones(3, 4)
    assert name == "TorchScript" or "unknown" in sources(record(model, x))
    trace = record(model, x, dispatch=True)
    assert sources(trace) <= {"input", "parameter", "op"}
    assert "dispatch" in {op.kind for op in trace.ops}
    [call] = [call for call in trace.calls if call.path == "out"]
    [entering] = leaves(call.inputs)
    assert trace.ops[entering.source.op or 0].kind == "dispatch"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", BELOW)
def test_the_output_has_the_bits_of_a_plain_call(name: str) -> None:
    model, x = Run(BELOW[name]()), torch.randn(3, 4)
    plain = model(x)
    with modscope.record(model, dispatch=True):
        watched = model(x)
    assert torch.equal(plain, watched)


def test_what_torch_functions_run_is_written_down_once() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.LSTM(8, 8))
    names = [[op.name for op in record(model, torch.zeros(3, 4), dispatch=wish).ops] for wish in (False, True)]
    assert names[0] == names[1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_torchscript_each_kernel_is_written_down_once_with_its_escapes() -> None:
    trace = record(Run(torch.jit.script(scripted)), torch.ones(3, 4), dispatch=True)
    assert [op.name for op in trace.ops] == ["sum", "gt", "_local_scalar_dense", "mul", "linear"]
    assert [op.scalar for op in trace.escapes] == ["True"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_function_in_torchscript_is_an_op_of_unknown_cost_without_dispatch() -> None:
    call = vars(torch.jit.ScriptFunction)["__call__"]
    trace = record(Run(torch.jit.script(scripted)), torch.ones(3, 4), costs=True)
    assert [op.name for op in trace.ops] == ["scripted", "linear"]
    assert [ref.source.op for ref in trace.ops[1].inputs if ref.source.kind == "op"] == [0]
    assert [(op.flops, op.location is not None) for op in trace.ops] == [(None, True), (96, True)]
    assert trace.calls[0].unknown_flops == (("scripted", 1),)
    assert [(note.kind, note.path) for note in trace.blind_spots] == [("script", "")]
    assert vars(torch.jit.ScriptFunction)["__call__"] is call


def test_costs_of_torchscript_and_of_vmap_are_known() -> None:
    for act in (BELOW["vmap"](), torch.jit.script(nn.Linear(4, 4))):
        trace = record(Run(act), torch.ones(3, 4), dispatch=True, costs=True)
        assert (trace.calls[0].flops, trace.calls[0].unknown_flops) == (2 * 2 * 3 * 4 * 4, ())


def test_afterwards_the_users_modes_are_there_and_no_other() -> None:
    class Mine(TorchDispatchMode):  # type: ignore[no-untyped-call]
        seen = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.seen += 1
            return func(*args, **(kwargs or {}))

    class Above(TorchFunctionMode):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    model, mine, above = nn.Linear(4, 4), Mine(), Above()  # type: ignore[no-untyped-call]
    x = torch.zeros(3, 4)
    with above, modscope.record(model, dispatch=True), mine:
        model(x)
    seen = mine.seen
    torch.zeros(3).add_(1)
    assert mine.seen == seen > 0
    assert above.seen == ["linear"]
    assert torch._C._len_torch_dispatch_stack() == torch._C._len_torch_function_stack() == 0


def test_it_needs_ops() -> None:
    with pytest.raises(modscope.ModscopeError, match="leaves all ops out"):
        modscope.record(nn.Linear(4, 4), dispatch=True, ops=False)


def test_an_operator_that_runs_functions_is_one_op() -> None:
    model, x = Run(lambda x: torch.ops.higher_order.cond(x.sum() > 0, torch.sin, torch.cos, (x,))), torch.ones(3, 4)
    plain = model(x)
    with modscope.record(model, dispatch=True) as recorder:
        watched = model(x)
    assert torch.equal(plain, watched)
    assert "cond" in [op.name for op in recorder.trace.ops]
    assert "unknown" not in sources(recorder.trace)
