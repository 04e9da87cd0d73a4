"""The registered tree held against what ran."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from modscope.data import BufferInfo, ModuleInfo, ModuleTree, ParameterInfo, TensorRef, Trace

Status = Literal["called", "used", "holder", "never called", "unknown"]

# Containers of torch that are not made to be called.
HOLDERS = {"ModuleList", "ModuleDict", "ParameterList", "ParameterDict"}


@dataclass(frozen=True, slots=True)
class Reused:
    """A module that ran more than once."""

    path: str
    calls: int


@dataclass(frozen=True, slots=True)
class Reordered:
    """Children of one module whose first calls came in another order than their registration."""

    path: str
    registered: tuple[str, ...]
    called: tuple[str, ...]

    @property
    def pattern(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Both orders, by the children's own names: equal for the blocks of one class."""
        start = len(self.path) + 1 if self.path else 0
        return tuple(path[start:] for path in self.registered), tuple(path[start:] for path in self.called)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where the registered tree and the run disagree. Every registered path has exactly one status.

    "called": it ran. "used": not called, but an op read its parameters, its buffers or what else it keeps
    (MultiheadAttention.out_proj).
    "holder": it only holds others, some of which ran. "never called": none of these. "unknown": it may have been
    used where nothing could be seen, because ops were not recorded, an ancestor's call is opaque, or the forward
    did not reach its end.
    """

    root: str  # type of the root module
    statuses: tuple[tuple[str, Status], ...]  # in the order of named_modules()
    unregistered: tuple[str, ...]  # ran, but named_modules() does not know them
    reused: tuple[Reused, ...]
    reordered: tuple[Reordered, ...]

    @property
    def called(self) -> tuple[str, ...]:
        """Registered modules that ran."""
        return self._having("called")

    @property
    def used(self) -> tuple[str, ...]:
        """Not called, yet an op read what they keep: parameters, buffers, other tensors, packed weights."""
        return self._having("used")

    @property
    def never_called(self) -> tuple[str, ...]:
        """Registered, and nothing of them took part."""
        return self._having("never called")

    @property
    def unknown(self) -> tuple[str, ...]:
        """Not seen to run, where not everything could be seen."""
        return self._having("unknown")

    @property
    def agrees(self) -> bool:
        """Whether all that is registered took part, and nothing else did."""
        return not (self.never_called or self.unknown or self.unregistered)

    def _having(self, wanted: Status) -> tuple[str, ...]:
        return tuple(path for path, status in self.statuses if status == wanted)

    def __str__(self) -> str:
        from modscope.renderers.summary import render

        return render(self)


def compare(trace: Trace) -> Comparison:
    """The tree against the run; linear in modules, calls and ops."""
    counts = Counter(call.path for call in trace.calls)
    reused = tuple(Reused(path, count) for path, count in counts.items() if count > 1)
    return Comparison(
        root=trace.tree.root.type,
        statuses=tuple(_statuses(trace, counts)),
        unregistered=tuple(path for path in counts if path not in trace.tree),
        reused=reused,
        reordered=tuple(_reordered(trace)),
    )


def _statuses(trace: Trace, counts: Mapping[str, int]) -> Iterable[tuple[str, Status]]:
    tree = trace.tree
    read = _modules_read(trace)
    hidden = _hidden_from_view(trace)
    took_part = _with_ancestors(tree, (path for path in tree if path in counts or path in read))
    for module in tree.modules:
        path = module.path
        if path in counts:
            yield path, "called"
        elif path in read:
            yield path, "used"
        elif (path in took_part and not module.parameters) or _is_idle_holder(module):
            yield path, "holder"
        elif path in hidden or (not trace.recorded.ops and (module.parameters or module.buffers)):
            yield path, "unknown"
        else:
            yield path, "never called"


def _is_idle_holder(module: ModuleInfo) -> bool:
    """Whether calling it was never meant, so that its members alone can be forgotten."""
    return module.type in HOLDERS and not module.parameters


def _modules_read(trace: Trace) -> set[str]:
    """Modules of which an op read a parameter, a buffer or whatever else they keep, under whatever name it was read.

    Where the forward did not reach its end, what another module read in its own call says nothing of those that share
    its tensors: they may not have had their turn.
    """
    tensors = {tensor.path: tensor for module in trace.tree.modules for tensor in _own(module)}
    holders: dict[str, set[str]] = defaultdict(set)  # by a tensor's first name
    for module in trace.tree.modules:
        for tensor in _own(module):
            holders[tensor.tied_to or tensor.path].add(module.path)
    read: set[str] = set()
    for name, reader in {(ref.source.name, op.call) for op in trace.ops for ref in op.inputs if _is_own(ref)}:
        found = holders[(tensors[name].tied_to or name) if name in tensors else name]
        here = None if reader is None else trace.calls[reader].path
        read |= {here} if here in found and trace.error is not None else found
    names = {ref.source.name for op in trace.ops for ref in op.inputs if ref.source.kind == "attribute"}
    return read.union(_holder(trace.tree, name) for name in names.union(*(op.states for op in trace.ops)))


def _holder(tree: ModuleTree, attribute: str) -> str:
    """The path of the module that holds an attribute, in whatever container."""
    path = attribute
    while path and path not in tree:
        path = path.rpartition(".")[0]
    return path


def _is_own(ref: TensorRef) -> bool:
    return ref.source.kind in ("parameter", "buffer")


def _own(module: ModuleInfo) -> tuple[ParameterInfo | BufferInfo, ...]:
    return (*module.parameters, *module.buffers)


def _hidden_from_view(trace: Trace) -> set[str]:
    """Paths that may have run unseen: all of them after an error, else those below an opaque call."""
    if trace.error is not None or not trace.calls:
        return set(trace.tree)
    opaque = {call.path for call in trace.calls if call.opaque is not None}
    # what is compiled ran eagerly, and was seen
    opaque.update(note.path for note in trace.blind_spots if note.path is not None and note.kind != "compiled")
    hidden: set[str] = set()
    for module in trace.tree.modules:  # parents come before their children
        if module.path in opaque or module.path in hidden:
            hidden.update(module.children)
    return hidden


def _with_ancestors(tree: ModuleTree, paths: Iterable[str]) -> set[str]:
    parents: dict[str, list[str]] = defaultdict(list)
    for module in tree.modules:
        for child in module.children:
            parents[child].append(module.path)
    reached: set[str] = set()
    stack = list(paths)
    while stack:
        path = stack.pop()
        if path not in reached:
            reached.add(path)
            stack.extend(parents[path])
    return reached


def _reordered(trace: Trace) -> Iterable[Reordered]:
    first = {call.path: call.index for call in reversed(trace.calls)}
    for module in trace.tree.modules:
        # A shared child may first have run for another parent: its place says nothing about this one.
        registered = [child for child in module.children if child in first and not trace.tree[child].shared]
        called = sorted(registered, key=first.__getitem__)
        if called != registered:
            yield Reordered(module.path, tuple(registered), tuple(called))
