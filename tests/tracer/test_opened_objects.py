"""Objects that are no containers, among what calls receive and give: caches, configurations, whatever hangs there."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import modscope
from modscope.data import Constant, Nested, TensorRef, Value


class Layer:
    """What a cache keeps of one layer."""

    def __init__(self, tensor: Tensor | None = None) -> None:
        self.keys = tensor
        self.length = 0


class Cache:
    """A plain object that grows while the model runs."""

    def __init__(self, *tensors: Tensor) -> None:
        self.layers = [Layer(tensor) for tensor in tensors]
        self.name = "cache"
        self.names = {"a": 1}


class Attends(nn.Module):
    def forward(self, x: Tensor, cache: Any) -> Tensor:
        cache.layers.append(Layer(x + 1))
        return x * 2


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Attends(), Attends()

    def forward(self, x: Tensor, cache: Any = None) -> Any:
        cache = Cache() if cache is None else cache
        return self.second(self.first(x, cache), cache), cache


class Gives(nn.Module):
    """Gives what it is given."""

    def forward(self, value: Any) -> Any:
        return value


def given(value: Any) -> Value:
    """What a call received, as it was recorded."""
    trace = modscope.trace(Gives(), value)
    assert not trace.blind_spots
    assert modscope.Trace.from_json(trace.to_json()) == trace
    return trace.calls[0].inputs.items[0]


def outline(value: Value | None) -> Any:
    """Its structure, with shapes for tensors."""
    match value:
        case TensorRef(spec=spec):
            return spec.shape
        case Nested(type=kind, items=items, keys=keys):
            return kind, dict(zip(keys or map(str, range(len(items))), map(outline, items), strict=True))
        case Constant(type=kind):
            return kind
        case None:
            return None


def test_a_cache_is_recorded_as_it_was_when_the_call_began_and_ended() -> None:
    trace = modscope.trace(Model(), torch.zeros(2, 3))
    received = [outline(call.inputs.items[1]) for call in trace.calls[1:]]
    layer = ("Layer", {"keys": (2, 3)})
    assert received == ["Cache", ("Cache", {"layers": ("list", {"0": layer})})]
    assert outline(trace.calls[0].outputs) == (
        "tuple",
        {"0": (2, 3), "1": ("Cache", {"layers": ("list", {"0": layer, "1": layer})})},
    )


def test_shapes_and_dataflow_are_those_of_what_was_handed_over_itself() -> None:
    trace = modscope.trace(Model(), torch.zeros(2, 3))
    assert trace.calls[0].output_shapes == trace.calls[2].input_shapes == ((2, 3),)
    graph = modscope.dataflow(trace)
    assert [len(each["tensors"]) for _, _, each in graph.edges(data=True)] == [1, 1, 1]
    assert list(graph.successors(("call", 1))) == [("call", 2)]


def test_the_tensors_in_a_cache_that_is_given_are_inputs_by_its_name() -> None:
    class Reads(nn.Module):
        def forward(self, cache: Any) -> Tensor:
            return cache.layers[0].keys + 1

    trace = modscope.trace(Reads(), cache=Cache(torch.zeros(4)))
    [read] = trace.ops[0].inputs
    assert (read.source.kind, read.source.name) == ("input", "cache")


def test_a_write_to_a_tensor_in_a_cache_that_is_given_is_told() -> None:
    class Writes(nn.Module):
        def forward(self, cache: Any) -> None:
            cache.layers[0].keys.zero_()

    trace = modscope.trace(Writes(), cache=Cache(torch.ones(4)))
    assert [(note.kind, note.path) for note in trace.not_undone] == [("input-written", "cache")]


def test_gradients_are_those_of_the_tensors_that_were_handed_over_themselves() -> None:
    model, x = Model(), torch.zeros(2, 3, requires_grad=True)
    with modscope.record(model, backward=True) as recorder:
        model(x)[0].sum().backward()
    gradients = recorder.trace.calls[0].gradients
    assert gradients is not None
    assert [spec and spec.shape for spec in gradients.outputs] == [(2, 3)]


def test_what_a_cache_holds_is_not_kept_alive() -> None:
    cache = Cache(torch.zeros(4))
    held = [weakref.ref(cache), weakref.ref(cache.layers[0]), weakref.ref(cache.layers[0].keys)]  # type: ignore[arg-type]
    trace = modscope.trace(Gives(), cache)
    assert trace.calls
    del cache
    gc.collect()
    assert [each() for each in held] == [None] * 3


class Slotted:
    __slots__ = ("tensor", "unset")

    def __init__(self) -> None:
        self.tensor = torch.zeros(5)


class Trap:
    """Whoever asks it for anything by its own methods is caught."""

    def __init__(self) -> None:
        object.__setattr__(self, "tensor", torch.zeros(6))

    def _caught(self, *_: Any) -> Any:
        raise AssertionError("asked")

    __iter__ = __len__ = __getattr__ = __getattribute__ = __eq__ = __hash__ = __bool__ = __repr__ = _caught


class OwnDict:
    """Its `__dict__` is its own affair."""

    tensor = torch.zeros(1)

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        raise AssertionError("asked")


class Around:
    """Holds itself."""

    def __init__(self) -> None:
        self.again, self.tensor = self, torch.zeros(7)


def forever() -> Iterator[Tensor]:
    while True:
        yield torch.zeros(1)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (Slotted(), ("Slotted", {"tensor": (5,)})),
        (Trap(), ("Trap", {"tensor": (6,)})),
        (OwnDict(), "OwnDict"),
        (Around(), ("Around", {"tensor": (7,)})),
        (forever(), "generator"),
        (Cache(), "Cache"),
        (nn.Linear(2, 2), "Linear"),
        (Layer, "type"),
        (torch.optim.SGD([torch.zeros(2)]), "SGD"),
        ({"cache": Cache(torch.zeros(2))}, ("dict", {"cache": outline(given(Cache(torch.zeros(2))))})),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_object_is_opened_past_its_own_methods(value: Any, wanted: Any) -> None:
    assert outline(given(value)) == wanted


@pytest.mark.parametrize("vocabulary", [list(range(5_000)), [Layer() for _ in range(5_000)]], ids=["plain", "objects"])
def test_what_holds_too_much_to_look_at_is_told_by_type(vocabulary: list[Any]) -> None:
    layer = Layer()
    layer.vocabulary = vocabulary  # type: ignore[attr-defined]
    assert outline(given(layer)) == "Layer"
    layer.keys = torch.zeros(3)
    assert outline(given(layer)) == ("Layer", {"keys": (3,)})


@dataclass
class Fields:
    left: Any
    right: Any


class Slots:
    __slots__ = ("left", "right")

    def __init__(self, left: Any, right: Any) -> None:
        self.left, self.right = left, right


@pytest.mark.parametrize("node", [Fields, Slots, lambda left, right: [left, right], lambda *both: both])
def test_what_holds_the_same_again_and_again_is_not_looked_at_without_end(node: Any) -> None:
    layer = Layer(torch.zeros(2))
    layer.tree = Layer()  # type: ignore[attr-defined]
    for _ in range(60):  # 2 ** 60 ways lead to the first
        layer.tree = node(layer.tree, layer.tree)  # type: ignore[attr-defined]
    assert outline(given(layer)) == "Layer"


def test_an_object_with_too_many_attributes_leaves_room_for_what_comes_after_it() -> None:
    many = Layer()
    vars(many).update({f"part{number}": Layer() for number in range(999)})
    assert outline(given([many, Cache(torch.zeros(2))])) == (
        "list",
        {"0": "Layer", "1": outline(given(Cache(torch.zeros(2))))},
    )


def test_what_a_forward_puts_into_what_it_was_given_is_told() -> None:
    trace = modscope.trace(Model(), torch.zeros(2, 3), cache=Cache(torch.zeros(1)))
    assert [(note.kind, note.message) for note in trace.not_undone] == [
        ("object-changed", "what cache holds was changed, and stays so")
    ]
