"""Tensors as they were met: specs, values, memory, and the containers they came in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Shape = tuple[int, ...]
Origin = Literal["real", "fake", "static"]
SourceKind = Literal["op", "input", "parameter", "buffer", "attribute", "constant", "unknown"]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a tensor is, without its numbers. `nbytes` counts its elements, not its storage."""

    shape: Shape
    dtype: str  # "float32"
    device: str  # "cpu", "cuda:0"
    requires_grad: bool = False
    nbytes: int = 0
    layout: str = "strided"
    global_shape: Shape | None = None  # of a DTensor
    placements: tuple[str, ...] = ()

    @property
    def numel(self) -> int:
        """Number of elements; of the whole tensor where this is one part of a DTensor."""
        count = 1
        for size in self.shape if self.global_shape is None else self.global_shape:
            count *= size
        return count


@dataclass(frozen=True, slots=True)
class Source:
    """Where a tensor value came from: an op's output, or something that was there before."""

    kind: SourceKind
    op: int | None = None  # index of the op, when kind is "op"
    name: str = ""  # path of a parameter, buffer or attribute; "args[0]" or "mask" for an input


@dataclass(frozen=True, slots=True)
class TensorRef:
    """One tensor value. A write in place makes a new value, with a new id and the next version of its storage."""

    id: int
    spec: TensorSpec
    source: Source
    storage: int | None = None
    version: int = 0  # how many recorded writes its storage had seen


@dataclass(frozen=True, slots=True)
class Storage:
    """A piece of memory and the ops between which it is known to be alive; several refs may be views of it."""

    id: int
    nbytes: int
    first: int | None  # op that made it; None: there before the run
    last: int | None  # last op that read or wrote it; None: none did


@dataclass(frozen=True, slots=True)
class Constant:
    """A leaf that is no tensor: short text for None, numbers, strings, dtypes; only the type for unknown objects."""

    type: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Nested:
    """A container as it was passed: its type, its keys where it has names, its values in their own order.

    Or an object that is no container, a cache say, and its attributes that hold tensors, as they were then: what was
    passed is the object, so `leaves()`, and shapes with it, leave them out.
    """

    type: str  # "tuple", "dict", "BaseModelOutput"; "arguments" for what a call received
    items: tuple[Value, ...]
    keys: tuple[str, ...] | None = None  # one per item; "" for a positional argument
    opened: bool = False  # no container


Value = TensorRef | Nested | Constant


def leaves(value: Value) -> Iterator[TensorRef]:
    """The tensors in a value, in flattening order: args, then kwargs as passed, dicts in their own order.

    Those inside an opened object are no part of it.
    """
    return _tensors(value, opened=False)


def held(value: Value) -> Iterator[TensorRef]:
    """The tensors in a value, and in the objects in it that were opened."""
    return _tensors(value, opened=True)


def _tensors(value: Value, opened: bool) -> Iterator[TensorRef]:
    stack = [value]
    while stack:
        here = stack.pop()
        if isinstance(here, TensorRef):
            yield here
        elif isinstance(here, Nested) and (opened or not here.opened):
            stack.extend(reversed(here.items))
