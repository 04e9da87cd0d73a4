"""What cannot be undone does not keep the rest from being undone, and the trace says so."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree

import modscope


class Stubborn(Tensor):
    """Can be written, but neither copied nor compared."""

    def __new__(cls, inner: Tensor) -> Any:
        return Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner: Tensor) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten.clone.default, torch.ops.aten.detach.default):
            raise RuntimeError("this tensor is not for copying")
        unwrap = lambda each: each.inner if isinstance(each, Stubborn) else each  # noqa: E731
        return func(*_pytree.tree_map(unwrap, args), **_pytree.tree_map(unwrap, kwargs or {}))

    __torch_function__ = torch._C._disabled_torch_function_impl


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", Stubborn(torch.zeros(2)))
        self.register_buffer("plain", torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        self.steps.inner.add_(1)
        self.plain.add_(1)
        return x


def test_a_buffer_that_cannot_be_copied_is_named() -> None:
    model = Counts()
    trace = modscope.trace(model, torch.zeros(1))
    assert [(note.kind, note.path) for note in trace.not_undone] == [("not-restored", "steps")]
    assert "not for copying" in trace.not_undone[0].message
    assert model.plain.tolist() == [0, 0]


def test_a_class_that_refuses_is_put_back_all_the_same() -> None:
    class Sealed(type):
        def __setattr__(cls, name: str, value: object) -> None:
            if name != "count":
                raise TypeError("sealed")
            type.__setattr__(cls, name, value)

    class Net(nn.Module, metaclass=Sealed):
        count = 0

        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(2)

        def forward(self, x: Tensor) -> Tensor:
            type(self).count += 1
            return self.norm(x)

    model = Net()
    trace = modscope.trace(model, torch.rand(3, 2))
    assert (Net.count, trace.not_undone) == (0, ())
    assert int(model.norm.num_batches_tracked) == 0


def test_memory_that_the_forward_let_go_comes_back() -> None:
    class Frees(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", torch.arange(4.0))

        def forward(self, x: Tensor) -> Tensor:
            x = x + self.table.sum()
            self.table.untyped_storage().resize_(0)
            return x

    model = Frees()
    trace = modscope.trace(model, torch.zeros(1))
    assert model.table.tolist() == [0, 1, 2, 3]
    assert trace.not_undone == ()


def test_reading_values_leaves_memory_that_can_be_resized() -> None:
    model = nn.BatchNorm1d(2)
    with modscope.record(model, values=True) as recorder:
        model.running_mean.resize_(8)
    assert recorder.trace.tree[""].buffers[0].values is not None


def test_values_of_a_lazy_module_are_not_known() -> None:
    model = nn.Sequential(nn.LazyLinear(3))
    with modscope.record(model, values=True) as recorder:
        model(torch.zeros(2, 4))
    assert [each.values for each in recorder.trace.tree["0"].parameters] == [None, None]


class Forgets(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> None:
        return None


def test_a_function_without_gradient_does_not_stop_the_backward() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with modscope.record(model, backward=True) as recorder:
        first = model[0](torch.ones(1, 2))
        (Forgets.apply(first).sum() + model[1](torch.ones(1, 2)).sum()).backward()
    assert [call.gradients.outputs for call in recorder.trace.calls if call.path == "0"] == [(None,)]
    assert recorder.trace.tree["1"].parameters[0].gradient.arrived


def test_a_recording_that_cannot_begin_leaves_nothing() -> None:
    before = vars(nn.Module)["_call_impl"]
    recorder = modscope.record(nn.Linear(2, 2), optimizer=SimpleNamespace(param_groups=[None]))  # type: ignore[arg-type]
    with pytest.raises(TypeError), recorder:
        pass
    assert vars(nn.Module)["_call_impl"] is before


def test_the_note_keeps_nothing_alive() -> None:
    model = Counts()
    trace, gone = modscope.trace(model, torch.zeros(1)), weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert trace.not_undone


class Remembers(nn.Module):
    """Keeps notes in a list, in a dict, and in an object of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.counts = {"calls": 0}
        self.helper = SimpleNamespace(last=None)
        self.sizes = [2, 2]

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        self.counts["calls"] += 1
        self.helper.last = x
        self.sizes[0] = int("2")
        return x


def test_what_the_users_own_objects_hold_is_not_undone_and_named() -> None:
    trace = modscope.trace(nn.Sequential(Remembers()), torch.zeros(3))
    named = [(note.kind, note.path) for note in trace.not_undone]
    assert named == [("object-changed", path) for path in ("0.seen", "0.counts", "0.[helper]")]


class WritesPastAutograd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        self.scale.data.mul_(2)
        return x * self.scale


def test_a_write_through_data_is_named_and_read_by_what_follows() -> None:
    trace = modscope.trace(WritesPastAutograd(), torch.zeros(2))
    assert [(note.kind, note.path) for note in trace.not_undone] == [("parameter-written", "scale")]
    last = trace.ops[-1]
    assert [ref.source.op for ref in last.inputs if ref.source.kind == "op"] == [1]


class Freezes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.head.requires_grad_(False)
        return self.head(x.requires_grad_())


def test_what_wants_a_gradient_is_as_before() -> None:
    model, x = Freezes(), torch.zeros(2)
    modscope.trace(model, x)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not x.requires_grad


@pytest.mark.parametrize("keep", [Tensor.share_memory_, Tensor.numpy], ids=["shared", "NumPy's"])
def test_numbers_are_put_back_also_into_memory_that_cannot_be_resized(keep: Any) -> None:
    class Grows(nn.BatchNorm1d):
        def forward(self, x: Tensor) -> Tensor:
            keep(self.running_mean.resize_(x.shape).copy_(x))  # type: ignore[union-attr]
            return x

    model = Grows(2)
    trace = modscope.trace(model, torch.ones(3, 2))
    assert model.running_mean.tolist() == [0, 0]  # type: ignore[union-attr]
    assert trace.not_undone == ()


def test_a_buffer_whose_memory_was_let_go_for_good_is_named() -> None:
    class Shrinks(nn.BatchNorm1d):
        def forward(self, x: Tensor) -> Tensor:
            self.running_mean.untyped_storage().resize_(4)  # type: ignore[union-attr]
            self.running_mean.resize_(1).share_memory_()  # type: ignore[union-attr]
            return x

    model = Shrinks(2)
    trace = modscope.trace(model, torch.ones(3, 2))
    assert [(note.kind, note.path) for note in trace.not_undone] == [("not-restored", "running_mean")]
