"""The run: what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

from modscope.data.deferred import Deferred
from modscope.data.tensors import Nested, Origin, Shape, Storage, TensorRef, TensorSpec, Value, held, leaves
from modscope.data.tree import ModuleInfo, ModuleTree
from modscope.findings import Location


@dataclass(frozen=True, slots=True)
class CallGradients:
    """What came back through one call: the specs of the gradients that arrived at its outputs, in their order."""

    outputs: tuple[TensorSpec | None, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One run of one module's forward. A module used twice has two calls."""

    index: int
    path: str  # key of model.named_modules(); "" is the root; brackets: not registered
    type: str
    nth: int  # 0 for this module's first call
    parent: int | None  # index of the call this one ran in
    depth: int
    inputs: Nested  # as they were at entry
    outputs: Value | None  # None: it raised, or never returned
    run: int = 0  # index of the root forward it belongs to
    training: bool = True
    grad_mode: bool = True
    thread: int = 0  # 0 is the thread that recorded; threads of the forward count from 1
    error: str | None = None  # type of the exception that left it
    during_backward: bool = False  # re-run by checkpointing
    opaque: str | None = None  # why nothing inside it could be seen
    gradients: CallGradients | None = None
    flops: int | None = None  # of the ops in it, known ones only; None: costs were not computed
    macs: int | None = None
    backward_flops: int | None = None  # of what gradients came back through; None: not asked
    unknown_flops: tuple[tuple[str, int], ...] = ()  # ops in it whose FLOPs, of those asked for, are not known
    seconds: float | None = field(default=None, compare=False)

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all input tensors in flattening order."""
        return tuple(ref.spec.shape for ref in leaves(self.inputs))

    @property
    def output_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all output tensors in flattening order."""
        return () if self.outputs is None else tuple(ref.spec.shape for ref in leaves(self.outputs))


@dataclass(frozen=True, slots=True)
class Op:
    """One torch function run in a forward."""

    index: int
    name: str  # "linear", "add", "__getitem__", "item"
    call: int | None  # index of the module call it ran in
    inputs: tuple[TensorRef, ...]
    outputs: tuple[TensorRef, ...]
    arguments: tuple[tuple[str, str], ...] = ()  # the others: name or position, short text
    kind: Literal["op", "factory", "escape", "dispatch"] = "op"
    reads: tuple[int, ...] = ()  # ids of refs read
    mutates: tuple[int, ...] = ()  # ids of the refs written in place, as they were before
    scalar: str | None = None  # what an escape returned
    owner: str = ""  # module path and function of the frame: "encoder.Block.forward"
    location: Location | None = field(default=None, compare=False)  # the user's file and line
    flops: int | None = None  # None: unknown or not asked
    macs: int | None = None
    backward_flops: int | None = None
    states: tuple[str, ...] = ()  # paths of what it was given that modules keep outside of tensors: packed weights

    @property
    def escape(self) -> bool:
        """Whether a tensor's number left for Python here: control flow may depend on data."""
        return self.kind == "escape"


@dataclass(frozen=True, slots=True)
class Run:
    """One forward of the root module."""

    index: int
    call: int | None  # its root call
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the recording was asked to see."""

    ops: bool = True
    backward: bool = False
    costs: bool = False
    values: bool = False
    dispatch: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Something the reader of a trace must know: a blind spot, or a change that could not be undone."""

    kind: str  # "compiled", "fused", "parameter-written", "lazy-materialised", …
    message: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """The exception that ended the forward."""

    type: str
    message: str
    call: int | None = None  # innermost call that it left
    location: Location | None = field(default=None, compare=False)  # the user's file and line
    hints: tuple[str, ...] = ()  # what may be wrong


@dataclass(frozen=True)
class Trace(Deferred):
    """All that one recording saw."""

    tree: ModuleTree
    calls: tuple[Call, ...]
    ops: tuple[Op, ...]
    storages: tuple[Storage, ...]
    runs: tuple[Run, ...]
    unregistered: tuple[ModuleInfo, ...]  # modules that ran and that named_modules() does not know
    recorded: Recorded
    blind_spots: tuple[Note, ...]
    not_undone: tuple[Note, ...]
    origin: Origin
    error: ErrorInfo | None
    versions: tuple[tuple[str, str], ...] = field(compare=False)

    @property
    def escapes(self) -> tuple[Op, ...]:
        """Where numbers left the graph for Python: control flow may depend on data there."""
        return tuple(op for op in self.ops if op.kind == "escape")

    @property
    def escapes_by_module(self) -> dict[str, tuple[Op, ...]]:
        """The escapes in each module's own calls, by its path: `torch.compile` and `torch.export` break there."""
        found: dict[str, tuple[Op, ...]] = {}
        for op in self.escapes:
            if op.call is not None:
                path = self.calls[op.call].path
                found[path] = (*found.get(path, ()), op)
        return found

    @property
    def activation_bytes(self) -> int:
        """Bytes of all memory that ops made: what would be alive if none of it were freed."""
        return sum(storage.nbytes for storage in self.storages if storage.first is not None)

    @property
    def peak_activation_bytes(self) -> int:
        """Most bytes made by ops and alive at once, each from the op that made it to the last one that used it.

        What a forward of the root returns lives until that forward ends. That is the least this order of ops needs
        without a backward; an allocator may hold more.
        """
        changes = [0] * (len(self.ops) + 1)
        returned = self._returned()
        for storage in self.storages:
            if storage.first is not None and storage.last is not None:
                changes[storage.first] += storage.nbytes
                changes[max(storage.last, returned.get(storage.id, 0)) + 1] -= storage.nbytes
        return max(accumulate(changes), default=0)

    def _returned(self) -> dict[int, int]:
        """The storages that forwards of the root returned, and the last op of that forward."""
        outermost: list[int] = []
        for call in self.calls:
            outermost.append(call.index if call.parent is None else outermost[call.parent])
        last = {outermost[op.call]: op.index for op in self.ops if op.call is not None}
        return {
            ref.storage: last[call.index]
            for call in self.calls
            if call.index in last and call.outputs is not None
            for ref in held(call.outputs)
            if ref.storage is not None
        }

    def module(self, path: str) -> ModuleInfo:
        """The module of a call's path, registered or not."""
        for module in self.unregistered:
            if module.path == path:
                return module
        return self.tree[path]

    def __str__(self) -> str:
        from modscope.renderers.summary import render

        return render(self)

    def __repr__(self) -> str:
        where = self.tree.root.type
        return (
            f"<Trace of {where}: {len(self.tree)} modules, {len(self.calls)} calls, {len(self.ops)} ops, {self.origin}>"
        )

    def _repr_html_(self) -> str:
        from modscope.renderers.html import render

        return render(self)

    def to_json(self) -> str:
        """JSON text; `Trace.from_json` and `modscope.load` read it back."""
        from modscope.schema import dump

        return dump(self)

    @classmethod
    def from_json(cls, text: str) -> Trace:
        """The trace that `to_json` wrote; UnreadableTrace when it is none."""
        from modscope.schema import load

        return load(text, cls)
