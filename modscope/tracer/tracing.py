"""`trace()`: one forward that leaves nothing behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from torch import Tensor, nn

from modscope.data import Recorded, Trace
from modscope.tracer.caches import Caches
from modscope.tracer.inputs import check, refusal
from modscope.tracer.recorder import Recorder
from modscope.tracer.restore import ModelState
from modscope.tracer.shared import collector
from modscope.tracer.stand_ins import StandIns
from modscope.tracer.switches import Switches
from modscope.tracer.uncompiled import uncompiled
from modscope.tracer.values import describe
from modscope.tracer.writes import Change, Versions


class Before:
    """All that the forward must leave as it was. Taken in steps: what was not reached is not put back."""

    def __init__(self) -> None:
        self._recorder: Recorder | None = None
        self._stand_ins = StandIns()
        self._model = ModelState()
        self._caches = Caches()
        self._switches: Switches | None = None
        self._ended = False

    def take(self, model: nn.Module, inputs: Any, recorded: Recorded) -> tuple[Recorder, Any]:
        """Gives what will watch the forward, and the inputs to run it with."""
        collector.need(self)
        self._switches = Switches()
        inputs = self._stand_ins.take(model, inputs)
        recorder = self._recorder = Recorder(model, recorded)
        given = partial(_given, *inputs)
        recorder.before = self._model
        recorder.versions = Versions(recorder.tensors, given)
        self._model.take(recorder.captured)
        self._caches.take(recorder.captured)
        self._model.take_gradients([tensor for _, tensor in given()], recorder.captured)
        return recorder, inputs

    def end(self, error: BaseException | None = None) -> None:
        """Watch no longer and put all back. May be interrupted, and called again; no part depends on the others."""
        if self._ended:
            return
        with ExitStack() as parts:
            parts.callback(collector.leave, self)
            parts.callback(self._note_failures)
            if self._switches is not None:
                parts.callback(self._switches.put_back)
            parts.callback(self._stand_ins.put_back)
            parts.callback(self._model.put_back)
            if self._recorder is not None:
                parts.callback(self._recorder.stop, error)
            parts.callback(self._caches.put_back)  # first, for the recorder tells of what stays changed
        self._ended = True
        # the exception of a failed forward may keep this for long
        self._model, self._caches, self._switches = ModelState(), Caches(), None

    def _note_failures(self) -> None:
        if self._recorder is not None and self._switches is not None:
            changes = self._recorder.changes
            failed = {**self._model.failed, **self._switches.failed}
            changes += [Change("not restored", what, reason) for what, reason in failed.items()]


@uncompiled
def trace(model: nn.Module, /, *args: Any, **kwargs: Any) -> Trace:
    """Run `model(*args, **kwargs)` once, in the caller's context, and return all that happened."""
    return _trace(model, args, kwargs, Recorded())


@uncompiled
def trace_with_costs(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Trace:
    """As `trace()`, with FLOPs and MACs."""
    return _trace(model, args, kwargs, Recorded(costs=True))


def _trace(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], recorded: Recorded) -> Trace:
    before = Before()
    try:
        try:
            recorder, (args, kwargs) = before.take(check(model), (args, kwargs), recorded)
            recorder.start()
            model(*args, **kwargs)
        except BaseException as error:
            before.end(error)
            if (refused := refusal(error, model, args, kwargs)) is not None:
                raise refused from error
            raise
        finally:
            before.end()
    finally:  # an interrupt may have hit the first
        before.end()
    return recorder.trace


def _given(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[tuple[str, Tensor]]:
    """The tensors among the arguments, each with the name of its argument."""
    found: list[tuple[str, Tensor]] = []
    for name, value in (*((f"args[{place}]", each) for place, each in enumerate(args)), *kwargs.items()):
        inside: list[Tensor] = []
        describe(value, inside.append)  # type: ignore[arg-type]
        found += [(name, tensor) for tensor in inside]
    return found
