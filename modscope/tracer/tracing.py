"""`trace()`: one forward that leaves nothing behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn

from modscope.data import Recorded, Trace
from modscope.tracer.fakes import StandIns
from modscope.tracer.recorder import Recorder, check
from modscope.tracer.restore import ModelState
from modscope.tracer.shared import collector
from modscope.tracer.switches import Switches
from modscope.tracer.values import describe
from modscope.tracer.writes import Versions


class Before:
    """All that the forward must leave as it was. Taken in steps: what was not reached is not put back."""

    def __init__(self) -> None:
        self.stand_ins = StandIns()
        self.model = ModelState()
        self._switches: Switches | None = None
        self._done = False

    def take(self, recorder: Recorder, inputs: Sequence[tuple[str, Tensor]]) -> None:
        self._switches = Switches()
        recorder.before = self.model
        recorder.versions = Versions(recorder.tensors, inputs)
        self.model.take(recorder.captured.alive_modules)
        self.model.take_gradients([tensor for _, tensor in inputs])

    def put_back(self) -> None:
        """May be interrupted, and called again. Each part is put back whatever happens to the others."""
        if self._done:
            return
        with ExitStack() as parts:
            parts.callback(collector.leave, self)
            parts.callback(self.stand_ins.put_back)
            if self._switches is not None:
                parts.callback(self._switches.put_back)
            parts.callback(self.model.put_back)
        self._done = True


def trace(model: nn.Module, /, *args: Any, **kwargs: Any) -> Trace:
    """Run `model(*args, **kwargs)` once, in the caller's context, and return all that happened."""
    return _trace(model, args, kwargs, Recorded())


def trace_with_costs(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Trace:
    """As `trace()`, with FLOPs and MACs."""
    return _trace(model, args, kwargs, Recorded(costs=True))


def _trace(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], recorded: Recorded) -> Trace:
    before = Before()
    try:
        collector.need(before)
        args, kwargs = before.stand_ins.take(check(model), (args, kwargs))
        recorder = Recorder(model, recorded)
    except BaseException:
        before.put_back()
        raise
    try:
        try:
            before.take(recorder, _given(args, kwargs))
            recorder.start()
            model(*args, **kwargs)
        except BaseException as error:
            recorder.stop(error)
            raise
        finally:
            recorder.stop()
            before.put_back()
    finally:  # an interrupt may have hit the first
        recorder.stop()
        before.put_back()
    return recorder.trace


def _given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[tuple[str, Tensor]]:
    """The tensors among the arguments, each with the name of its argument."""
    found: list[tuple[str, Tensor]] = []
    for name, value in (*((f"args[{place}]", each) for place, each in enumerate(args)), *kwargs.items()):
        inside: list[Tensor] = []
        describe(value, inside.append)  # type: ignore[arg-type]
        found += [(name, tensor) for tensor in inside]
    return found
