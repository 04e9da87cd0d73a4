"""Which ops gradients came back through: those that a gradient which was seen to arrive depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from modscope.data import TensorRef
from modscope.tracer.costs import differentiates
from modscope.tracer.ops import OpRow
from modscope.tracer.refs import Ref
from modscope.tracer.values import refs
from modscope.tracer.watch import Running


class Reached:
    """The ops of a recording that a backward went through; all of them where none was seen to run.

    `record` gives the record of a ref; `parameters` are the numbers of those that got a gradient.
    """

    def __init__(
        self,
        calls: Sequence[Running],
        ops: Sequence[OpRow],
        record: Callable[[Ref], TensorRef],
        parameters: Iterable[int],
    ) -> None:
        self._record = record
        self._rows = {row.number: row for row in ops}
        self._found: set[int] = set()
        ends = [ref for call in calls for ref in _arrived(call)]
        ends += [ref for row in ops if differentiates(row) for ref in _inputs(row)]
        self._ran = bool(ends)
        self._follow(ends)
        without_way = set(parameters) - {ref.standing for number in self._found for ref in _inputs(self._rows[number])}
        self._ran = self._ran or bool(without_way)
        for row in ops:
            if any(ref.source is None and ref.standing in without_way for ref in _inputs(row)):
                self._follow(refs(row.outputs))
        # ways through what was not seen are not known; then the gradients of whole calls tell
        read = (ref for row in ops for ref in _inputs(row))
        returned = (ref for call in calls for ref in refs(call.outputs))
        self._gaps = any(record(ref).source.kind == "unknown" and self._wants(ref) for ref in chain(read, returned))

    def __contains__(self, row: OpRow) -> bool:
        if not self._ran or row.number in self._found:
            return True
        return self._gaps and (row.call is None or any(True for _ in _arrived(row.call)))

    def _wants(self, ref: Ref) -> bool:
        return self._record(ref).spec.requires_grad

    def _follow(self, ends: Iterable[Ref]) -> None:
        stack = list(ends)
        while stack:
            number = stack.pop().source
            if type(number) is not int or number in self._found or number not in self._rows:
                continue
            self._found.add(number)
            row = self._rows[number]
            # what ran without gradients and has one is the inside of a torch.autograd.Function
            inside = not any(map(self._wants, refs(row.outputs)))
            stack += [ref for ref in _inputs(row) if inside or self._wants(ref)]


def _inputs(row: OpRow) -> Iterator[Ref]:
    for each in (*row.args, *row.kwargs.values()):
        yield from refs(each)


def _arrived(call: Running) -> Iterator[Ref]:
    """The outputs of a call that a gradient came to; its inputs, too, if its inside was not seen."""
    if call.arrivals is None:
        return
    specs, outputs = call.arrivals.record().outputs, list(refs(call.outputs))
    if not any(specs):
        return
    if len(specs) == len(outputs):
        yield from (ref for ref, spec in zip(outputs, specs, strict=True) if spec is not None)
    else:  # some were found in objects, whose attributes nobody listened to
        yield from outputs
    if call.opaque is not None:
        for each in call.inputs:
            yield from refs(each)
