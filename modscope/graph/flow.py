"""What feeds what: calls and ops as nodes, tensors on the edges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from modscope.data import Call, Op, TensorRef, Trace, leaves
from modscope.errors import ModscopeError
from modscope.graph.registered import new_digraph

if TYPE_CHECKING:
    import networkx

LEVELS = ("module", "op")
Node = tuple[str, int] | tuple[str, str]

# Tensors that were there before the run: sources of their own only where `parameters=True` asks for them.
STANDING = ("parameter", "buffer", "attribute", "constant")


def dataflow(
    trace: Trace, level: str = "module", depth: int | None = None, *, parameters: bool = False
) -> networkx.DiGraph:
    """What feeds what, as a networkx DiGraph.

    With `level="module"` a node is a call that ran no other call, and every op that ran between calls (residual
    additions, reshapes); with `level="op"` every op is a node. Calls around others are no nodes: each node's
    `parent` is the index of the call it ran in. `depth` merges what ran below a call of that depth into that call
    (0: the root is one node).

    Nodes are `("call", index)`, `("op", index)`, `("input", ref id)`, `("output", index of the root call)`,
    `("unknown", ref id)` for tensors of which no producer was seen and, with `parameters=True`,
    `("parameter", path)`, `("buffer", path)`, `("attribute", path)` and `("constant", ref id)`.

    Every node has `kind` (as in its key), `label` (path, op or input name) and `parent`. A call node has `path`,
    `type`, `nth`, `inputs` and `outputs` (tuples of TensorSpec), `error`; an op node `name`, `inputs`, `outputs`,
    `location`, `escape`; the others `spec`. Edge attribute: `tensors`, the TensorRefs that pass.

    A call that only hands its inputs on (Identity, Dropout outside training) stands between producer and reader.
    Raises ModscopeError for an unknown level or a depth that is none.
    """
    if level not in LEVELS:
        raise ModscopeError(f"level is {level!r}; possible are {', '.join(map(repr, LEVELS))}")
    check_depth(depth)
    walk = _Walk(trace, merged_into(trace, level, depth), parameters)
    for event in timeline(trace):
        if isinstance(event, Call):
            walk.enter(event)
        else:
            walk.run(event)
    walk.leave()
    return walk.graph(level, depth)


def check_depth(depth: int | None) -> None:
    """Raises ModscopeError for what is neither None nor a number of levels."""
    if depth is not None and (not isinstance(depth, int) or depth < 0):
        raise ModscopeError(f"depth is {depth!r}; 0 shows the root alone, each step one level more, None all")


def merged_into(trace: Trace, level: str, depth: int | None) -> list[int | None]:
    """For each call the index of the call whose node it is part of; None for a call whose inside is shown."""
    busy = {call.parent for call in trace.calls}
    if level == "op":
        busy |= {op.call for op in trace.ops}
    into: list[int | None] = []
    for call in trace.calls:
        above = None if call.parent is None else into[call.parent]
        if above is None and (call.index not in busy or (depth is not None and call.depth >= depth)):
            above = call.index
        into.append(above)
    return into


def timeline(trace: Trace) -> Iterable[Call | Op]:
    """Calls, at their start, and ops in the order in which they happened."""
    starts: list[int | None] = [None] * len(trace.calls)  # index of the first op that ran inside
    for op in reversed(trace.ops):
        if op.call is not None:
            starts[op.call] = op.index
    for call in reversed(trace.calls):
        first = starts[call.index]
        if call.parent is not None and first is not None:
            before = starts[call.parent]
            starts[call.parent] = first if before is None else min(first, before)
    events: list[tuple[int, int, Call | Op]] = [(op.index, 1, op) for op in trace.ops]
    now = 0
    for call in trace.calls:
        start = starts[call.index]
        if start is None:  # no op inside: it started once its inputs were there and the calls before it had started
            start = max([now, *(ref.source.op + 1 for ref in leaves(call.inputs) if ref.source.op is not None)])
        now = max(now, start)
        events.append((now, 0, call))
    events.sort(key=lambda event: event[:2])
    return (event for _, _, event in events)


class _Walk:
    """Goes through a run in the order of time and remembers which node last handed each tensor on."""

    def __init__(self, trace: Trace, into: list[int | None], parameters: bool) -> None:
        self.trace = trace
        self.into = into
        self.parameters = parameters
        self.nodes: dict[Node, dict[str, object]] = {}
        self.edges: dict[tuple[Node, Node], dict[int, TensorRef]] = {}
        self.holder: dict[int, Node] = {}  # ref id -> node

    def enter(self, call: Call) -> None:
        if call.parent is None:
            for ref in leaves(call.inputs):
                self.producer(ref, None)
        if self.into[call.index] != call.index:
            return
        key = ("call", call.index)
        outputs = () if call.outputs is None else tuple(leaves(call.outputs))
        self.nodes[key] = {
            "kind": "call",
            "label": call.path,
            "parent": call.parent,
            "path": call.path,
            "type": call.type,
            "nth": call.nth,
            "inputs": tuple(ref.spec for ref in leaves(call.inputs)),
            "outputs": tuple(ref.spec for ref in outputs),
            "error": call.error,
        }
        self.read(leaves(call.inputs), key, call.parent)
        received = {ref.id for ref in leaves(call.inputs)}
        hands_on = all(ref.id in received for ref in outputs)
        for ref in outputs:
            if hands_on or (ref.source.kind != "op" and ref.id not in self.holder):
                self.holder[ref.id] = key

    def run(self, op: Op) -> None:
        inside = None if op.call is None else self.into[op.call]
        key: Node = ("op", op.index) if inside is None else ("call", inside)
        parent = op.call if inside is None else self.trace.calls[inside].parent
        if inside is None:
            self.nodes[key] = {
                "kind": "op",
                "label": op.name,
                "parent": op.call,
                "name": op.name,
                "inputs": tuple(ref.spec for ref in op.inputs),
                "outputs": tuple(ref.spec for ref in op.outputs),
                "location": op.location,
                "escape": op.escape,
            }
        self.read(op.inputs, key, parent)
        received = {ref.id for ref in op.inputs}
        for ref in op.outputs:
            if inside is None or ref.id not in received:  # `x.to(x.dtype)` inside a call does not make x the call's
                self.holder[ref.id] = key

    def leave(self) -> None:
        """The results of every forward of the root."""
        for call in self.trace.calls:
            if call.parent is None and call.outputs is not None:
                key = ("output", call.index)
                self.nodes[key] = {"kind": "output", "label": "output", "parent": None, "spec": None}
                self.read(leaves(call.outputs), key, None)

    def read(self, refs: Iterable[TensorRef], reader: Node, parent: int | None) -> None:
        for ref in refs:
            producer = self.producer(ref, parent)
            if producer is not None and producer != reader:
                self.edges.setdefault((producer, reader), {})[ref.id] = ref

    def producer(self, ref: TensorRef, parent: int | None) -> Node | None:
        """The node this tensor comes from, made now where it is a source; None for standing tensors not asked for."""
        if ref.id in self.holder:
            return self.holder[ref.id]
        source = ref.source
        if source.kind in STANDING and not self.parameters:
            return None
        key: Node = (source.kind, source.name) if source.name and source.kind != "input" else (source.kind, ref.id)
        if source.kind == "op" and source.op is not None:
            key = self.node_of_op(source.op)
        if key not in self.nodes:
            kind = source.kind if source.kind != "op" else "unknown"
            key = key if source.kind != "op" else ("unknown", ref.id)
            self.nodes[key] = {"kind": kind, "label": source.name or kind, "parent": parent, "spec": ref.spec}
        self.holder[ref.id] = key
        return key

    def node_of_op(self, index: int) -> Node:
        call = self.trace.ops[index].call if index < len(self.trace.ops) else None
        inside = None if call is None else self.into[call]
        return ("op", index) if inside is None else ("call", inside)

    def graph(self, level: str, depth: int | None) -> networkx.DiGraph:
        graph = new_digraph(level=level, depth=depth)
        graph.add_nodes_from(self.nodes.items())
        graph.add_edges_from((a, b, {"tensors": tuple(refs.values())}) for (a, b), refs in self.edges.items())
        return graph
