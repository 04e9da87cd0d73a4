"""Arguments, outputs and exceptions that answer no question: the model runs as it does plainly, and is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import modscope
from modscope.data import Constant, Gradient, Trace


class Gives(nn.Module):
    """Gives what it is given."""

    def forward(self, value: Any) -> Any:
        return value


class RefusesNames(type):
    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError(name)


class Fields(tuple[Any, ...], metaclass=RefusesNames):
    """No named tuple, though it may not be asked."""


class WrongFields(tuple[Any, ...]):
    _fields = 5


class Unhashable(type):
    def __eq__(cls, other: object) -> bool:
        return cls is other


@dataclass
class Box(metaclass=Unhashable):
    tensor: Tensor


class Raising:
    """A dataclass field's descriptor."""

    def __get__(self, holder: object, owner: object) -> Any:
        if holder is None:
            return 0
        raise ValueError("not there")

    def __set__(self, holder: object, value: Any) -> None:
        pass


@dataclass
class HalfReadable:
    tensor: Tensor
    lost: Any = Raising()


@pytest.mark.parametrize(
    "value",
    [
        Fields((torch.zeros(2, 3),)),
        WrongFields((torch.zeros(2, 3),)),
        HalfReadable(torch.zeros(2, 3)),
        Box(torch.zeros(2, 3)),
        [Box(torch.zeros(2, 3))],
        {"box": (Box(torch.zeros(2, 3)), 1)},
    ],
)
def test_a_container_whose_class_raises_is_passed_through_and_its_tensor_is_seen(value: Any) -> None:
    trace = modscope.trace(Gives(), value)
    assert trace.calls[0].input_shapes == trace.calls[0].output_shapes == ((2, 3),)
    with modscope.record(Gives(), backward=True) as recorder:
        given = Gives()(value)
    assert given is value
    assert not recorder.trace.blind_spots


def test_integers_that_python_does_not_write_are_recorded_by_type() -> None:
    trace = modscope.trace(Gives(), {10**6000: [10**6000, range(10**6000)]})
    assert modscope.Trace.from_json(trace.to_json()) == trace
    [given] = trace.calls[0].inputs.items
    assert given.keys == ("int",)
    assert given.items[0].items == (Constant("int", "int"), Constant("range", "range"))


class Deaf(Tensor):
    """A tensor that cannot be asked for anything."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def deaf() -> Tensor:
    return Tensor._make_subclass(Deaf, torch.ones(2))


class Shapeless(Tensor):
    """A tensor whose class keeps its shape to itself."""

    @property
    def shape(self) -> Any:
        raise RuntimeError


def test_the_shape_of_a_tensor_whose_class_does_not_tell_it() -> None:
    trace = modscope.trace(Gives(), torch.zeros(2, 3).as_subclass(Shapeless))
    assert trace.calls[0].input_shapes == trace.calls[0].output_shapes == ((2, 3),)
    assert not trace.blind_spots


class Holds(nn.Module):
    """Has such a tensor at one of several places."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.places = {"list": [deaf()]} if place == "list" else {}
        if place == "attribute":
            vars(self)["tensor"] = deaf()
        if place in ("_buffers", "_parameters"):
            vars(self)[place]["tensor"] = deaf()

    def forward(self, x: Tensor, given: Any = None) -> Any:
        return self.linear(x), given


@pytest.mark.parametrize("place", ["list", "attribute", "_buffers", "_parameters", "input"])
def test_a_tensor_that_refuses_questions_is_no_hindrance(place: str) -> None:
    model, args = Holds(place), (torch.zeros(1, 2), deaf() if place == "input" else None)
    trace = modscope.trace(model, *args)
    with modscope.record(model, backward=True, values=True, costs=True) as recorder:
        model(*args)
    for each in (trace, recorder.trace):
        assert [call.path for call in each.calls] == ["", "linear"]
        assert not each.blind_spots
    assert modscope.inspect(model).total_params == (8 if place == "_parameters" else 6)


def test_a_gradient_that_refuses_questions_has_arrived() -> None:
    model = nn.Linear(2, 2, bias=False)
    model.weight.register_post_accumulate_grad_hook(
        lambda weight: setattr(weight, "grad", Tensor._make_subclass(Deaf, torch.ones(2, 2)))
    )
    with modscope.record(model, backward=True) as recorder:
        model(torch.ones(1, 2)).sum().backward()
    [weight] = recorder.trace.tree.root.parameters
    assert weight.gradient == Gradient(arrived=True)


class Refuses(RuntimeError):
    """An exception that can be asked for nothing but what Python's own context managers ask for."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__traceback__":
            return super().__getattribute__(name)
        raise ValueError(name)

    def __str__(self) -> str:
        raise ValueError


class Raises(nn.Module):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.errors = [error]

    def forward(self, x: Tensor) -> Tensor:
        raise self.errors[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["fits", "misfits"])
@pytest.mark.parametrize("act", [modscope.trace, lambda model, x: _recorded(model, x)], ids=["trace", "record"])
def test_an_exception_that_refuses_questions_passes_through_with_its_trace(
    act: Callable[..., Any], dtype: torch.dtype
) -> None:
    error = Refuses()
    with pytest.raises(Refuses) as caught:
        act(Raises(error), torch.zeros(2, dtype=dtype))
    assert caught.value is error
    trace = modscope.partial_trace(error)
    assert trace.error is not None
    assert (trace.error.type, trace.calls[0].error) == ("Refuses", "Refuses")


def _recorded(model: nn.Module, x: Tensor) -> None:
    with modscope.record(model):
        model(x)


def test_tensors_in_containers_nested_without_end_are_seen() -> None:
    x, nested = torch.ones(2), [torch.ones(3), torch.ones(4)]
    for _ in range(5000):
        nested = [nested]
    nested.append(nested)  # and a cycle

    class Takes(nn.Module):
        def forward(self, x: Tensor, nested: Any) -> Any:
            while isinstance(nested[0], list):
                nested = nested[0]
            return nested[1] * 2, x

    trace = modscope.trace(Takes(), x, nested)
    assert trace.calls[0].input_shapes == ((2,), (3,), (4,))
    assert [ref.source.name for ref in trace.ops[0].inputs] == ["args[1]"]
    assert Trace.from_json(trace.to_json()) == trace
