"""One recording: what watches while the model runs, and the trace that comes of it."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from itertools import count
from threading import get_ident
from types import FrameType
from typing import Any

import torch
from torch import nn

from modscope.data import Recorded, Trace
from modscope.errors import ModscopeError
from modscope.tracer import calls
from modscope.tracer.aliases import ways
from modscope.tracer.backward import Backward
from modscope.tracer.build import Rows, build
from modscope.tracer.compiled import WATCHED, compiled, compiler
from modscope.tracer.differentiable import differentiable
from modscope.tracer.failures import failure, read
from modscope.tracer.figures import Figures, values_of
from modscope.tracer.higher import higher
from modscope.tracer.identity import Tensors
from modscope.tracer.inputs import check
from modscope.tracer.modes import past_functions
from modscope.tracer.ops import OpRow
from modscope.tracer.restore import ModelState
from modscope.tracer.scripted import scripted
from modscope.tracer.struck import heed
from modscope.tracer.swapping import swapping
from modscope.tracer.tree import Captured, capture
from modscope.tracer.uncompiled import uncompiled
from modscope.tracer.warned import warned
from modscope.tracer.watch import Running, Special, Watch, special
from modscope.tracer.writes import Change, Versions

_TRACE = "__modscope_trace__"
# what else of torch and Python is another while it watches
_CHANGES = (compiler, swapping, scripted, differentiable, warned, higher, *ways)


class Recorder(ExitStack):
    """Watches the thread that starts it, and threads that a forward starts. Afterwards `trace` is what was seen."""

    def __init__(self, model: nn.Module, recorded: Recorded, optimizer: torch.optim.Optimizer | None = None) -> None:
        super().__init__()
        self.recorded = recorded
        self._trace: Trace | None = None
        self._optimizer = optimizer
        self.captured: Captured = capture(model)
        self.tensors = Tensors(self.captured)
        self.backward = Backward(self.captured) if recorded.backward else None
        self._figures = Figures()
        self.calls: list[Running] = []
        self.ops: list[OpRow] = []
        self.numbers = count()
        self.special: dict[int, Special] = {}  # modules whose calls need care
        self._made: dict[tuple[int, str], int] = {}  # modules made in a forward, by where and which class
        self._threads: dict[int, int] = {}
        self._threads_before: set[int] = set()
        self.before: ModelState | None = None  # where trace() keeps what it will put back
        self.versions: Versions | None = None
        self.changes: list[Change] = []  # what will not be undone
        self._watch: Watch | None = None
        self._notes: dict[tuple[str, str, int | None], None] = {}  # kind, message, module

    @property
    def trace(self) -> Trace:
        """What was seen. Raises ModscopeError while it is still watched."""
        if self._trace is None:
            raise ModscopeError("the recording has not ended; read recorder.trace after the block")
        return self._trace

    def start(self) -> None:
        """Watch from now on."""
        if self._trace is not None:
            raise ModscopeError("this recorder has recorded already; modscope.record() makes another one")
        self._threads_before = set(sys._current_frames())
        self._look_for_special(0)
        in_place = self._note_compiled(0)
        for change in _CHANGES:
            change.need(self)
        self._original = calls.begin(self, compiled=in_place)
        self._figures = self._first_figures()
        if self.backward is not None:
            self.backward.start()
        self._watch = Watch(self, 0, None, calls.watch_here(), self._original)
        calls.watch_by(self._watch)
        self._watch.start()

    def stop(self, error: BaseException | None = None) -> None:
        """Watch no longer. May be interrupted, and called again."""
        if self._watch is not None:
            self._watch.stop()
            calls.unwatch(self._watch)
        if self.backward is not None:
            self.backward.stop()
            self._figures.gradients = self.backward.gradients
        calls.end(self)
        for change in _CHANGES:
            change.leave(self)
        if self._trace is None:
            self._finish(error)
        self._watch = None

    def _finish(self, error: BaseException | None) -> None:
        if self.versions is not None:
            self.changes += self.versions.changes()
        self.versions = self.before = None
        self.captured.look_again()
        failed = None if error is None else failure(error, self.captured)
        self.captured.release()
        self.tensors.release()
        rows = Rows(
            self.captured,
            self.calls,
            self.ops,
            list(self._notes),
            self.changes,
            failed,
            self.recorded,
            self._figures,
        )
        self._trace = Trace.deferred(
            lambda: build(rows),
            tree=rows.tree(),
            recorded=self.recorded,
            versions=(("torch", torch.__version__),),
        )
        if error is not None:
            BaseException.__setattr__(error, _TRACE, self._trace)
        if error is not None and failed is not None:
            said = read(error, "__dict__").get("__notes__", ())  # by a recording inside this one
            for note in (f"modscope: {hint}" for hint in failed.hints):
                if note not in said:
                    BaseException.add_note(error, note)

    def _first_figures(self) -> Figures:
        """What is read before anything runs."""
        figures, captured = Figures(), self.captured
        if self.recorded.values:
            read = {number: past_functions(values_of, tensor) for number, tensor in enumerate(captured.alive_tensors)}
            figures.values = {number: values for number, values in read.items() if values is not None}
        if self._optimizer is not None:
            held = {id(tensor) for group in self._optimizer.param_groups for tensor in group["params"]}
            figures.optimized = {number: id(tensor) in held for number, tensor in captured.parameters()}
        self._optimizer = None
        return figures

    @uncompiled
    def __enter__(self) -> Recorder:
        try:
            self.push(self._end)
            self.push(self._end)  # again, for an interrupt may hit the first
            self.start()
            return self
        except BaseException:
            self.close()
            raise

    @uncompiled
    def _end(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        self.stop(error)

    def meet(self, module: nn.Module, call: Running | None) -> int:
        """Number a module that no container of the model held when the recording began."""
        holder = 0 if call is None else call.module
        name = type(module).__name__
        nth = self._made[holder, name] = self._made.get((holder, name), -1) + 1
        first = len(self.captured.alive_modules)
        number = self.captured.add(module, holder, f"[{name}#{nth}]")
        self._look_for_special(first)
        self._note_compiled(first)
        if self.before is not None:
            self.before.take(self.captured)
        return number

    def _note_compiled(self, first: int) -> bool:
        """Say which modules are compiled, from this number on; whether any is so in place."""
        made_faster = dict(compiled(self.captured.alive_modules[first:], first))
        for number in made_faster:
            self.note("compiled", f"is compiled; {WATCHED}", number)
        return any(made_faster.values())

    def _look_for_special(self, first: int) -> None:
        kinds: dict[int, Special | None] = {}  # by id: a class may refuse to be hashed
        for number, module in enumerate(self.captured.alive_modules[first:], first):
            cls = type(module)
            if id(cls) not in kinds:
                kinds[id(cls)] = special(cls)
            if (kind := kinds[id(cls)]) is not None:
                self.special[number] = kind

    def starts(self, module: nn.Module) -> bool:
        """Whether a call in a thread that nobody watches is part of this recording's forward."""
        if id(module) not in self.captured.modules:
            return False
        return get_ident() not in self._threads_before or torch._C._current_graph_task_id() != -1

    def adopt(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Watch one module call in a thread that the forward started."""
        number = self._threads.setdefault(get_ident(), len(self._threads) + 1)
        outside = None if self._watch is None else self._watch.running
        watch = Watch(self, number, outside, None, self._original)
        try:
            calls.watch_by(watch)
            watch.start()
            return watch.call(module, args, kwargs)
        finally:
            watch.stop()
            calls.watch_by(None)

    def module_of(self, frame: FrameType) -> int | None:
        """The module whose method runs in a frame."""
        module = frame.f_locals.get(frame.f_code.co_varnames[0]) if frame.f_code.co_argcount else None
        return self.captured.modules.get(id(module))

    def note(self, kind: str, message: str, module: int | None = None) -> None:
        """Something the reader of the trace must know; once per module is enough."""
        self._notes[kind, message, module] = None

    def puzzled(self, what: str, error: Exception) -> None:
        """Something could not be written down. The model must not suffer for it."""
        heed(error)
        self.note("unreadable", f"{what} could not be written down: {type(error).__name__}")


@uncompiled
def record(
    model: nn.Module,
    ops: bool = True,
    backward: bool = False,
    costs: bool = False,
    values: bool = False,
    dispatch: bool = False,
    optimizer: torch.optim.Optimizer | None = None,
) -> Recorder:
    """Record whatever runs inside the block; `recorder.trace` is there when the block has ended."""
    if costs and not ops:
        raise ModscopeError("costs=True counts op by op and ops=False leaves them out; record one without the other")
    if dispatch and not ops:
        raise ModscopeError("dispatch=True adds ops that run below Python and ops=False leaves all ops out")
    if optimizer is not None and not hasattr(optimizer, "param_groups"):
        raise ModscopeError(
            f"optimizer is of type {type(optimizer).__name__}; "
            "pass a torch.optim.Optimizer, such as torch.optim.AdamW(model.parameters())"
        )
    return Recorder(check(model), Recorded(ops, backward, costs, values, dispatch), optimizer)


def partial_trace(error: BaseException) -> Trace:
    """What was seen before the forward raised `error`. Raises ModscopeError when no traced forward did."""
    if not isinstance(error, BaseException):
        raise ModscopeError(f"what was given is of type {type(error).__name__}; pass the exception that was caught")
    each: BaseException | None = error
    while each is not None:
        found = read(each, "__dict__").get(_TRACE)
        if isinstance(found, Trace):
            return found
        each = read(each, "__cause__")
    raise ModscopeError(f"this {type(error).__name__} left no traced forward: no trace is attached to it")
