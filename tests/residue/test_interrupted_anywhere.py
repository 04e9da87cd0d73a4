"""Ctrl-C at every line of the tracer in turn: afterwards all is as before, and tracing works, from any thread.

So it is where a signal handler raises an exception of the user's, as timeouts do.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import modscope
from tests.residue.scene import at_home
from tests.residue.snapshot import changes, take

HERE = str(Path(modscope.__file__).parent)
Run = Callable[[nn.Module, Tensor], object]
Line = tuple[CodeType, int]
Handler = Callable[..., object]
EVERY = 6  # of the lines each sixth, from the first on; `EVERY = 1` strikes all, in some minutes


class Eventful(nn.Module):
    """Meets most of what the tracer takes care of, and has no effects of its own outside training."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(4, 2, 4, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1).eval().requires_grad_(False)
        self.deep = nn.Linear(4, 4)
        for _ in range(16):
            self.deep = nn.Sequential(self.deep)
        self.norm = nn.BatchNorm1d(4)
        self.hidden = [nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))]

    def forward(self, x: Tensor, *, scale: float = 1) -> Any:
        x = self.norm(self.deep(x * scale))
        x[0] = nn.Identity()(x[1]) if x.sum().item() else 0
        thread = threading.Thread(target=self.hidden[0], args=(x,))
        thread.start()
        thread.join()
        return {"x": self.encoder(x[None]), "y": self.hidden[0](x)}


def trace(model: nn.Module, x: Tensor) -> None:
    modscope.trace(model, x, scale=2)


def record(model: nn.Module, x: Tensor) -> None:
    with modscope.record(model, values=True):
        model.eval()(x)


def record_a_training_step(model: nn.Module, x: Tensor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with modscope.record(model, backward=True, costs=True, optimizer=optimizer):
        model.eval()(x)["y"].sum().backward()


def clean_up(model: nn.Module) -> None:
    """What the user's own code has left."""
    model.train()
    model.encoder.eval()
    model.zero_grad()
    model.hidden[0].zero_grad()


def ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(HERE)


def lines_of(run: Run, model: nn.Module, x: Tensor) -> Counter[Line]:
    """How often each line of ours runs, in this thread."""
    seen: Counter[Line] = Counter()

    def begin(frame: FrameType, event: str, argument: object) -> Any:
        return note if ours(frame) else None

    def note(frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            seen[frame.f_code, frame.f_lineno] += 1
        return note

    sys.settrace(begin)
    try:
        run(model, x)
    finally:
        sys.settrace(None)
    clean_up(model)
    return seen


class TimedOutError(Exception):
    """No time is left."""


def time_out(*args: object) -> None:
    raise TimedOutError


def interrupt(run: Run, handler: Handler, line: Line, nth: int, model: nn.Module, x: Tensor) -> bool:
    """Run it, with a signal when this line is about to run for the nth time. Whether what was raised came out."""
    code, number = line
    left = nth

    def begin(frame: FrameType, event: str, argument: object) -> Any:
        return strike if frame.f_code is code else None

    def strike(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        if event == "line" and frame.f_lineno == number:
            left -= 1
            if left == 0:
                signal.raise_signal(signal.SIGINT)
        return strike

    usual = signal.signal(signal.SIGINT, handler)
    sys.settrace(begin)
    try:
        run(model, x)
    except (KeyboardInterrupt, TimedOutError):
        return True
    finally:
        sys.settrace(None)
        signal.signal(signal.SIGINT, usual)
    return False


def traced_in_a_thread() -> bool:
    """Whether a further trace works; it would wait for ever where a lock is held."""
    seen: list[int] = []
    thread = threading.Thread(
        target=lambda: seen.append(len(modscope.trace(nn.Linear(2, 2), torch.ones(1, 2)).calls)), daemon=True
    )
    thread.start()
    thread.join(60)
    return seen == [1]


def occasions(lines: Counter[Line]) -> Iterator[tuple[Line, int]]:
    """The first time and the last time of each line."""
    for line, times in lines.items():
        yield line, 1
        if times > 1:
            yield line, times


@pytest.mark.parametrize(
    ("run", "handler", "every"),
    [
        (trace, signal.default_int_handler, EVERY),
        (record, signal.default_int_handler, EVERY),
        (record_a_training_step, signal.default_int_handler, EVERY),
        (trace, time_out, 3 * EVERY),
        (record_a_training_step, time_out, 3 * EVERY),
    ],
)
def test_an_interrupt_at_any_line_leaves_nothing(run: Run, handler: Handler, every: int) -> None:
    torch.manual_seed(0)
    model, x = Eventful(), torch.randn(3, 4)
    clean_up(model)
    for _ in range(2):  # what is done once in a process is done
        run(model, x)
        clean_up(model)
    lines = lines_of(run, model, x)
    missed, residue = 0, {}
    for line, nth in islice(occasions(lines), 0, None, every):
        with at_home():
            before = take(model, x)
            missed += not interrupt(run, handler, line, nth, model, x)
            clean_up(model)
            left = changes(before, take(model, x, before))
        code, number = line
        where = f"{Path(code.co_filename).name}:{number} ({nth})"
        if left:
            residue[where] = left
        assert traced_in_a_thread(), where
    assert residue == {}
    assert missed < 0.02 * len(lines)
