"""What a forward changed for good: writes to parameters, attributes and inputs, lazy modules that became whole, and
what is in the user's own containers and objects.

Writes are found by the version counters that torch keeps and, where a write bumps none (`.data`), by the ops that were
seen to write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from modscope.data import Note, Source
from modscope.tracer.hidden import MOST, PLAIN_VALUES, inside
from modscope.tracer.identity import Tensors
from modscope.tracer.modes import past_functions
from modscope.tracer.specs import is_lazy


class Change(NamedTuple):
    """One thing that is not undone: a captured tensor by its number, anything else by its name."""

    kind: Literal["written", "materialised", "changed", "not restored"]
    what: int | str
    reason: str = ""


class Versions:
    """How often each tensor of a model, and each of its inputs, had been written before the forward."""

    def __init__(self, tensors: Tensors, given: Callable[[], Sequence[tuple[str, Tensor]]]) -> None:
        self._tensors = tensors
        self._read_inputs = given
        self._inputs = inputs = given()
        self._captured = list(tensors.captured.alive_tensors)
        self._lazy = tuple(tensors.captured.lazy)  # what is made in the forward is no change
        self._before = _versions(self._captured)
        self._given = _versions([tensor for _, tensor in inputs])
        self._containers = [(*place, value, _content(value)) for *place, value in tensors.captured.alive_containers]

    def changes(self) -> Iterator[Change]:
        """What happened since."""
        now = _versions(self._captured)
        bumped: set[int] = set()
        if now != self._before:
            bumped.update(n for n, (old, new) in enumerate(zip(self._before, now, strict=True)) if old != new)
        yield from (
            Change("written", number) for number in sorted((bumped | self._tensors.overwritten).difference(self._lazy))
        )
        yield from (Change("materialised", number) for number in self._lazy if not is_lazy(self._captured[number]))
        now = _versions([tensor for _, tensor in self._inputs])
        for (name, tensor), old, new in zip(self._inputs, self._given, now, strict=True):
            if old != new or self._tensors.was_written(tensor):
                yield Change("written", name)
        before, after = _by_name(self._inputs), _by_name(self._read_inputs())
        yield from (Change("changed", name) for name in before | after if before.get(name) != after.get(name))
        for holder, path, value, before in self._containers:
            if not _same(before, _content(value)):
                holding = self._tensors.captured.path(holder)
                yield Change("changed", f"{holding}.{path}" if holding else path)


def _by_name(inputs: Sequence[tuple[str, Tensor]]) -> dict[str, list[int]]:
    """The ids of the tensors in each argument."""
    found: dict[str, list[int]] = {}
    for name, tensor in inputs:
        found.setdefault(name, []).append(id(tensor))
    return found


def _content(value: Any) -> list[tuple[str, Any]]:
    return list(islice(inside(value), MOST))


def _same(before: list[tuple[str, Any]], now: list[tuple[str, Any]]) -> bool:
    """Whether these are the same things under the same names; only plain values are asked whether they are equal."""
    return len(before) == len(now) and all(
        name == new_name and (old is new or (type(old) is type(new) and type(new) in PLAIN_VALUES and old == new))
        for (name, old), (new_name, new) in zip(before, now, strict=True)
    )


def _versions(tensors: Sequence[Tensor]) -> list[int]:
    return past_functions(_read_versions, tensors)


def _read_versions(tensors: Sequence[Tensor]) -> list[int]:
    try:
        return list(map(_version, tensors))
    except RuntimeError:  # made in inference mode: nobody counts
        return [-1 if _is_inference(tensor) else _version(tensor) for tensor in tensors]


# past the tensor's own methods
_version: Any = vars(torch._C.TensorBase)["_version"].__get__
_is_inference: Any = torch._C.TensorBase.is_inference


def not_undone(changes: Iterable[Change], source: Callable[[int], Source]) -> Iterator[Note]:
    """What a trace tells of them; `source` names a captured tensor by its number."""
    for kind, what, reason in changes:
        of = source(what) if isinstance(what, int) else Source("input", name=what)
        if kind == "changed":
            yield Note("object-changed", f"what {of.name} holds was changed, and stays so", of.name)
        elif kind == "not restored":
            yield Note("not-restored", f"{of.name} could not be put back: {reason}", of.name)
        elif kind == "materialised":
            yield Note("lazy-materialised", f"{of.name} was lazy and has a shape now", of.name)
        elif of.kind != "buffer":  # those are put back
            yield Note(f"{of.kind}-written", f"{of.name} was written in place", of.name)
