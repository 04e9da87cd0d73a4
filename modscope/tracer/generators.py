"""The random generators of a process."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from modscope.tracer import modes
from modscope.tracer.switch import Switch, read_all


def _unobserved(function: Callable[..., Any]) -> Callable[..., Any]:
    """Past the user's modes: under fake tensors the state of a generator has no numbers."""
    return partial(modes.past_modes, function)


def generators() -> Iterator[Switch]:
    """Those of torch, Python and NumPy."""
    yield Switch(_unobserved(torch.get_rng_state), _unobserved(torch.set_rng_state), _unobserved(torch.equal))
    yield Switch(random.getstate, random.setstate)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        yield Switch(
            _unobserved(torch.cuda.get_rng_state_all),
            _unobserved(torch.cuda.set_rng_state_all),
            _unobserved(lambda before, now: all(map(torch.equal, before, now))),
        )
    if numpy := sys.modules.get("numpy"):
        random_ = numpy.random
        yield Switch(
            lambda: (random_.get_bit_generator(), random_.get_state(legacy=False)),
            partial(_set_numpy, random_),
            lambda before, now: before[0] is now[0] and _same_state(before[1], now[1]),
        )


def _set_numpy(random_: Any, before: tuple[Any, Any]) -> None:
    generator, state = before
    if random_.get_bit_generator() is not generator:
        random_.set_bit_generator(generator)
    random_.set_state(state)


def _same_state(before: Any, now: Any) -> bool:
    """Of any of NumPy's generators: numbers and arrays by name."""
    if isinstance(before, dict):
        return before.keys() == now.keys() and all(_same_state(before[name], now[name]) for name in before)
    return bool(before.tobytes() == now.tobytes() if hasattr(before, "tobytes") else before == now)


class Generators:
    """How the random generators stand: the user's code may draw from them where it is only asked for a text."""

    def __init__(self) -> None:
        self._before = read_all(generators())

    def put_back(self) -> None:
        """Set those that have moved."""
        for switch, value in self._before:
            if not switch.same(value, switch.read()):
                switch.write(value)
