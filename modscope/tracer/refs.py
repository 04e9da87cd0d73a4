"""One value of a tensor, as rows hold it, and the memory that the values of several tensors are in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import ref as weak

from modscope.data import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared(Source):
    """That of a tensor which has the memory of another: the other's, unless it is an input of its own."""

    of: Source


class Ref:
    """One tensor value. There is one for every op: setting attributes is half the price of a constructor."""

    __slots__ = ("alive", "facts", "known", "memory", "source", "standing", "version")

    alive: Any  # weak reference to the tensor; None: the recorder keeps it alive
    facts: Any  # a TensorSpec, or what `specs.facts` read of a plain tensor; None: as it was captured
    source: Source | int | None  # what was there before, or the number of an op; None: a captured tensor
    standing: int  # number of that captured tensor, or of the one whose memory it shares; -1: none
    memory: Memory | None  # None until an op is met that may share or write it
    version: int
    known: int  # of how many writes to that memory it knows


class Memory:
    """A piece of memory that several tensors are views of. Their refs learn of a write when they are next asked for."""

    __slots__ = ("alive", "nbytes", "source", "standing", "version", "writer")

    def __init__(self, storage: Any, first: Ref) -> None:
        self.alive = weak(storage)
        self.nbytes = storage.nbytes()
        self.version = 0
        self.source = first.source  # of the values in it
        self.standing = first.standing
        self.writer: tuple[int, int] = (0, -1)  # the last op in a call that wrote it: its version then, and that op


def new_ref(
    alive: Any, facts: Any, source: Source | int | None, standing: int, memory: Memory | None = None, version: int = 0
) -> Ref:
    """One that knows of all that was written until now."""
    ref = Ref()
    ref.alive = alive
    ref.facts = facts
    ref.source = source
    ref.standing = standing
    ref.memory = memory
    ref.version = version
    ref.known = 0 if memory is None else memory.version
    return ref
