"""Rows written while a model ran -> the records of a trace. Pure: no tensor and no module is here any more."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modscope.data import (
    Call,
    ErrorInfo,
    ModuleTree,
    Nested,
    Note,
    Op,
    Recorded,
    Run,
    Source,
    Storage,
    TensorRef,
    TensorSpec,
)
from modscope.data.quick import quick
from modscope.tracer import specs
from modscope.tracer.costs import Costs, with_costs
from modscope.tracer.failures import Failure, named
from modscope.tracer.figures import Figures
from modscope.tracer.identity import Ref
from modscope.tracer.ops import OpRow
from modscope.tracer.places import location
from modscope.tracer.tree import Captured
from modscope.tracer.values import refs, text_of, value_of
from modscope.tracer.watch import NOT_RETURNED, Running
from modscope.tracer.writes import Change

_make_call, _make_op, _make_ref, _make_source = quick(Call), quick(Op), quick(TensorRef), quick(Source)


@dataclass(frozen=True)
class Rows:
    """All that was written down."""

    captured: Captured
    calls: list[Running]
    ops: list[OpRow]
    notes: list[tuple[str, str, int | None]]
    changes: list[Change]
    failure: Failure | None
    recorded: Recorded
    figures: Figures

    def tree(self) -> ModuleTree:
        """The tree with what the recording read of its tensors."""
        captured, figures = self.captured, self.figures
        tree: ModuleTree = ModuleTree.deferred(
            lambda: {"modules": figures.fill_in(captured.tree.modules, captured), "origin": captured.origin}
        )
        return tree


def build(rows: Rows) -> dict[str, Any]:
    """The fields of a Trace that take time."""
    collecting = gc.isenabled()
    gc.disable()  # none of these records is garbage, and looking for some among them doubles the time
    try:
        return _Builder(rows).fields()
    finally:
        if collecting:
            gc.enable()


class _Builder:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._refs: dict[int, TensorRef] = {}
        self._specs: dict[Any, TensorSpec] = {}
        self._storages: dict[int, int] = {}
        self._spans: list[list[Any]] = []  # nbytes, first op, last op
        self._owners: dict[Any, str] = {}
        self._ops = {row.number: index for index, row in enumerate(rows.ops)}

    def fields(self) -> dict[str, Any]:
        rows = self._rows
        for index, call in enumerate(rows.calls):
            call.number = index
        for name, ref in self._root_inputs():
            if ref.source is not None and ref.source == Source("unknown"):
                ref.source = Source("input", name=name)
        calls = tuple(self._calls())
        ops = tuple(self._op(index, row) for index, row in enumerate(rows.ops))
        if rows.recorded.costs:
            costs = Costs(self._spec, rows.recorded.backward)
            calls, ops = with_costs(calls, ops, [costs.of(row) for row in rows.ops], rows.recorded.backward)
        infos = rows.captured.infos
        ran = dict.fromkeys(call.module for call in rows.calls)
        return {
            "calls": calls,
            "ops": ops,
            "storages": tuple(Storage(index, *span) for index, span in enumerate(self._spans)),
            "runs": tuple(Run(index, row.number, row.error) for index, row in enumerate(filter(_is_run, rows.calls))),
            "unregistered": rows.figures.fill_in(
                (infos[module] for module in ran if module >= rows.captured.registered), rows.captured
            ),
            "origin": rows.captured.origin,
            "error": self._error(),
            "blind_spots": tuple(
                Note(kind, message, None if module is None else rows.captured.path(module))
                for kind, message, module in rows.notes
            ),
            "not_undone": tuple(self._not_undone()),
        }

    def _root_inputs(self) -> Any:
        for row in self._rows.calls:
            if row.parent is None:
                yield from named(row)

    def _calls(self) -> Iterator[Call]:
        nth: dict[int, int] = defaultdict(int)
        depths: list[int] = []
        runs = 0
        captured, infos, ref = self._rows.captured, self._rows.captured.infos, self._ref
        for row in self._rows.calls:
            depth = 0 if row.parent is None else depths[row.parent.number] + 1
            depths.append(depth)
            module = row.module
            runs += _is_run(row)
            yield _make_call(
                index=row.number,
                path=captured.path(module),
                type=infos[module].type,
                nth=nth[module],
                parent=None if row.parent is None else row.parent.number,
                depth=depth,
                inputs=Nested(
                    "arguments",
                    tuple([value_of(each, ref) for each in row.inputs]),
                    ("",) * (len(row.inputs) - len(row.names)) + row.names,
                ),
                outputs=None if row.outputs is NOT_RETURNED else value_of(row.outputs, ref),
                run=max(runs - 1, 0),
                training=row.training,
                grad_mode=row.grad,
                thread=row.thread,
                error=row.error,
                during_backward=row.during_backward,
                opaque=row.opaque,
                gradients=None if row.arrivals is None else row.arrivals.record(),
            )
            nth[module] += 1

    def _op(self, index: int, row: OpRow) -> Op:
        inputs, arguments = self._received(row)
        outputs = tuple([self._ref(ref) for ref in refs(row.outputs)])
        for ref in (*inputs, *outputs):
            if ref.storage is not None:
                self._spans[ref.storage][2] = index
        function = row.function
        kind = "escape" if function.escape else "dispatch" if function.kernel else "op" if inputs else "factory"
        return _make_op(
            index=index,
            name=function.name,
            call=None if row.call is None else row.call.number,
            inputs=inputs,
            outputs=outputs,
            arguments=arguments,
            kind=kind,
            reads=tuple([ref.id for ref in inputs]),
            mutates=tuple([self._ref(ref).id for ref in row.written]),
            scalar=text_of(row.scalar) if function.escape else None,
            owner=self._owner(row),
            location=None if row.place is None else location(row.place),
        )

    def _received(self, row: OpRow) -> tuple[tuple[TensorRef, ...], tuple[tuple[str, str], ...]]:
        """The tensors an op was given, and the text of its other arguments."""
        inputs: list[TensorRef] = []
        arguments: list[tuple[str, str]] = []
        for name, each in (*enumerate(row.args), *row.kwargs.items()):
            if type(each) is Ref:
                inputs.append(self._ref(each))
            elif found := [self._ref(ref) for ref in refs(each)]:
                inputs += found
            else:
                arguments.append((str(name), text_of(each)))
        return tuple(inputs), tuple(arguments)

    def _owner(self, row: OpRow) -> str:
        module = row.bypassed
        if module is None and row.call is not None:
            module = row.call.module
        key = module, row.owner
        known = self._owners.get(key)
        if known is None:
            path = "" if module is None else self._rows.captured.path(module)
            function = "" if row.owner is None else row.owner.co_qualname
            known = self._owners[key] = ".".join(filter(None, (path, function)))
        return known

    def _ref(self, ref: Ref) -> TensorRef:
        known = self._refs.get(id(ref))
        if known is None:
            source = self._source(ref)
            storage = self._storage(ref, source)
            known = _make_ref(len(self._refs), self._spec(ref), source, storage, ref.version)
            self._refs[id(ref)] = known
        return known

    def _source(self, ref: Ref) -> Source:
        if ref.source is None:
            return self._rows.captured.source(ref.standing)
        if isinstance(ref.source, int):
            return _make_source("op", self._ops.get(ref.source))
        return ref.source

    def _spec(self, ref: Ref) -> TensorSpec:
        facts = ref.facts
        if facts is None:
            return self._rows.captured.spec(ref.standing)
        if isinstance(facts, TensorSpec):
            return facts
        spec = self._specs.get(facts)
        if spec is None:
            spec = self._specs[facts] = specs.plain_spec(facts)
        return spec

    def _storage(self, ref: Ref, source: Source) -> int:
        key = id(ref.memory or ref)
        if key not in self._storages:
            self._storages[key] = len(self._spans)
            nbytes = ref.memory.nbytes if ref.memory else self._spec(ref).nbytes
            self._spans.append([nbytes, source.op, source.op])
        return self._storages[key]

    def _not_undone(self) -> Iterator[Note]:
        for kind, what, reason in self._rows.changes:
            source = self._rows.captured.source(what) if isinstance(what, int) else Source("input", name=what)
            if kind == "not restored":
                yield Note("not-restored", f"{source.name} could not be put back: {reason}", source.name)
            elif kind == "materialised":
                yield Note("lazy-materialised", f"{source.name} was lazy and has a shape now", source.name)
            elif source.kind != "buffer":  # those are put back
                yield Note(f"{source.kind}-written", f"{source.name} was written in place", source.name)

    def _error(self) -> ErrorInfo | None:
        if self._rows.failure is None:
            return None
        kind, message, call, location, hints = self._rows.failure
        return ErrorInfo(kind, message, None if call is None else call.number, location, hints)


def _is_run(row: Running) -> bool:
    """Whether this is a forward of the root module, and no part of another call or of a backward."""
    return row.parent is None and row.module == 0 and not row.during_backward
