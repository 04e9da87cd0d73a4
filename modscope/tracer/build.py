"""Rows written while a model ran -> the records of a trace. Pure: no tensor and no module is here any more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from modscope.data import (
    Call,
    ErrorInfo,
    ModuleTree,
    Nested,
    Note,
    Op,
    Origin,
    Recorded,
    Run,
    Source,
    Storage,
    TensorRef,
    TensorSpec,
)
from modscope.data.quick import quick
from modscope.data.tensors import held
from modscope.findings import Location
from modscope.tracer import specs
from modscope.tracer.costs import Cost, Costs, with_costs
from modscope.tracer.failures import Failure, named
from modscope.tracer.figures import Figures
from modscope.tracer.ops import OpRow
from modscope.tracer.places import Place, location
from modscope.tracer.reached import Reached
from modscope.tracer.refs import Ref, Shared
from modscope.tracer.shared import collector
from modscope.tracer.tree import Captured
from modscope.tracer.values import packed, refs, text_of, value_of
from modscope.tracer.watch import NOT_RETURNED, Running
from modscope.tracer.writes import Change, not_undone

_make_call, _make_op, _make_ref, _make_source = quick(Call), quick(Op), quick(TensorRef), quick(Source)
_make_nested, _make_storage = quick(Nested), quick(Storage)


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
            lambda: {"modules": figures.fill_in(captured.registered_infos, captured), "origin": captured.origin}
        )
        return tree


def build(rows: Rows) -> dict[str, Any]:
    """The fields of a Trace that take time."""
    collector.need(rows)  # none of these records is garbage, and looking for some among them doubles the time
    try:
        return _Builder(rows).fields()
    finally:
        collector.leave(rows)


class _Builder:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._refs: dict[int, TensorRef] = {}
        self._specs: dict[Any, TensorSpec] = {}
        self._inputs: dict[int, Source] = {}  # by id of what stood for its unknown source
        self._sources, self._standing_specs = rows.captured.rows.sources, rows.captured.rows.tensor_specs
        self._storages: dict[int, int] = {}
        self._spans: list[list[Any]] = []  # nbytes, first op, last op
        # by id of the code: its hash goes through all of its instructions
        self._owners: dict[tuple[int | None, int], str] = {}
        self._locations: dict[tuple[int, int], Location | None] = {}
        self._ops = {row.number: index for index, row in enumerate(rows.ops)}

    def fields(self) -> dict[str, Any]:
        rows = self._rows
        for index, call in enumerate(rows.calls):
            call.number = index
        for name, ref in filter(lambda each: isinstance(each[1].source, Source), self._root_inputs()):
            self._inputs.setdefault(id(ref.source), Source("input", name=name))
        calls = tuple(self._calls())
        ops = tuple(self._op(index, row) for index, row in enumerate(rows.ops))
        if rows.recorded.costs:
            calls, ops = with_costs(calls, ops, self._costs(), rows.recorded.backward)
        first = rows.captured.registered
        ran = dict.fromkeys(call.module for call in rows.calls if call.module >= first)
        infos = rows.captured.infos if ran else ()
        return {
            "calls": calls,
            "ops": ops,
            "storages": tuple([_make_storage(index, *span) for index, span in enumerate(self._spans)]),
            "runs": tuple(Run(index, row.number, row.error) for index, row in enumerate(filter(_is_run, rows.calls))),
            "unregistered": rows.figures.fill_in((infos[module] for module in ran), rows.captured),
            "origin": self._origin(calls),
            "error": self._error(),
            "blind_spots": tuple(
                Note(kind, message, None if module is None else rows.captured.path(module))
                for kind, message, module in rows.notes
            ),
            "not_undone": tuple(not_undone(rows.changes, rows.captured.source)),
        }

    def _origin(self, calls: Iterable[Call]) -> Origin:
        """That of the numbers it ran with: offloading keeps parameters on the meta device, and fetches them to run."""
        captured = self._rows.captured
        outputs = [call.outputs for call in calls if call.parent is None and call.outputs is not None]
        returned = {ref.spec.device for each in outputs for ref in held(each)}
        return "real" if returned and "meta" not in returned and not captured.fake else captured.origin

    def _costs(self) -> list[Cost]:
        rows, backward = self._rows, self._rows.recorded.backward
        costs = list(map(Costs(self._spec, backward).of, rows.ops))
        if backward:
            arrived = [number for number, gradient in rows.figures.gradients.items() if gradient.arrived]
            reached = Reached(rows.calls, rows.ops, self._ref, arrived)
            costs = [cost if row in reached else Cost(cost.flops, 0) for row, cost in zip(rows.ops, costs, strict=True)]
        return costs

    def _root_inputs(self) -> Any:
        for row in self._rows.calls:
            if row.parent is None:
                yield from named(row)

    def _calls(self) -> Iterator[Call]:
        nth: dict[int, int] = defaultdict(int)
        runs = 0
        seen, ref = self._rows.captured.rows, self._ref
        paths, modules = seen.paths, seen.modules
        no_names: dict[int, tuple[str, ...]] = {}
        depths: list[int] = []
        for index, row in enumerate(self._rows.calls):
            parent = None if row.parent is None else row.parent.number
            depth = 0 if parent is None else depths[parent] + 1
            depths.append(depth)
            module = row.module
            runs += parent is None and _is_run(row)
            positional = len(row.inputs) - len(row.names)
            names = no_names.get(positional) or no_names.setdefault(positional, ("",) * positional)
            # by position: the names of so many fields would take longer than the fields
            yield _make_call(
                index,
                paths[module],
                modules[module][0].name,
                nth[module],
                parent,
                depth,
                _make_nested(
                    "arguments",
                    tuple([ref(each) if type(each) is Ref else value_of(each, ref) for each in row.inputs]),
                    names + row.names,
                ),
                None if row.outputs is NOT_RETURNED else value_of(row.outputs, ref),
                max(runs - 1, 0),
                row.training,
                row.grad,
                row.thread,
                row.error,
                row.during_backward,
                row.opaque,
                None if row.arrivals is None else row.arrivals.record(),
            )
            nth[module] += 1

    def _op(self, index: int, row: OpRow) -> Op:
        inputs, arguments = self._received(row)
        made = row.outputs
        outputs = (self._ref(made),) if type(made) is Ref else tuple([self._ref(ref) for ref in refs(made)])
        spans = self._spans
        for ref in inputs + outputs:
            spans[ref.storage][2] = index  # type: ignore[index]
        function = row.function
        kind = "escape" if function.escape else "dispatch" if function.kernel else "op" if inputs else "factory"
        return _make_op(
            index,
            function.name,
            None if row.call is None else row.call.number,
            inputs,
            outputs,
            arguments,
            kind,
            tuple([ref.id for ref in inputs]),
            tuple([self._ref(ref).id for ref in row.written]) if row.written else (),
            text_of(row.scalar) if function.escape else None,
            self._owner(row),
            None if row.place is None else self._location(row.place),
            states=tuple(self._packed(row)) if self._rows.captured.rows.packed else (),
        )

    def _packed(self, row: OpRow) -> Iterator[str]:
        for each in (*row.args, *row.kwargs.values()):
            for key in packed(each):
                if path := self._rows.captured.rows.path_of_packed(key):
                    yield path

    def _received(self, row: OpRow) -> tuple[tuple[TensorRef, ...], tuple[tuple[str, str], ...]]:
        """The tensors an op was given, and the text of its other arguments."""
        inputs: list[TensorRef] = []
        arguments: list[tuple[str, str]] = []
        for place, each in enumerate(row.args):
            if type(each) is Ref:
                inputs.append(self._ref(each))
            else:
                self._receive(str(place), each, inputs, arguments)
        for name, each in row.kwargs.items():
            self._receive(name, each, inputs, arguments)
        return tuple(inputs), tuple(arguments)

    def _receive(self, name: str, row: Any, inputs: list[TensorRef], arguments: list[tuple[str, str]]) -> None:
        if found := [self._ref(ref) for ref in refs(row)]:
            inputs += found
        else:
            arguments.append((name, text_of(row)))

    def _location(self, place: Place) -> Location | None:
        code, offset = place
        key = id(code), offset
        if key not in self._locations:
            self._locations[key] = location(place)
        return self._locations[key]

    def _owner(self, row: OpRow) -> str:
        module = row.bypassed
        if module is None and row.call is not None:
            module = row.call.module
        key = module, id(row.owner)
        known = self._owners.get(key)
        if known is None:
            path = "" if module is None else self._rows.captured.path(module)
            function = "" if row.owner is None else row.owner.co_qualname
            known = self._owners[key] = ".".join(filter(None, (path, function)))
        return known

    def _ref(self, ref: Ref) -> TensorRef:
        known = self._refs.get(id(ref))
        if known is not None:
            return known
        source: Any = ref.source
        if source is None:
            source = self._sources[ref.standing]
        elif type(source) is int:
            source = _make_source("op", self._ops.get(source))
        else:
            source = self._input(source)
        spec, memory = self._spec(ref), ref.memory
        storage = len(self._spans) if memory is None else self._storages.setdefault(id(memory), len(self._spans))
        if storage == len(self._spans):
            nbytes = spec.nbytes if memory is None else specs.number(memory.nbytes)
            self._spans.append([nbytes, source.op, source.op])
        known = self._refs[id(ref)] = _make_ref(len(self._refs), spec, source, storage, ref.version)
        return known

    def _input(self, source: Source) -> Source:
        known = self._inputs.get(id(source))
        if known is None and type(source) is Shared:
            return self._input(source.of)
        return known or source

    def _spec(self, ref: Ref) -> TensorSpec:
        facts = ref.facts
        if facts is None:
            return self._standing_specs[ref.standing]
        if type(facts) is TensorSpec:
            return facts
        try:
            spec = self._specs.get(facts)
            if spec is None:
                spec = self._specs[facts] = specs.plain_spec(facts)
        except TypeError:  # a size that is a symbol has no hash
            spec = specs.plain_spec(facts)
        return spec

    def _error(self) -> ErrorInfo | None:
        if self._rows.failure is None:
            return None
        kind, message, call, location, hints = self._rows.failure
        return ErrorInfo(kind, message, None if call is None else call.number, location, hints)


def _is_run(row: Running) -> bool:
    """Whether this is a forward of the root module, and no part of another call or of a backward."""
    return row.parent is None and row.module == 0 and not row.during_backward
