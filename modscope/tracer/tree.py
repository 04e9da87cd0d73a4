"""A model -> ModuleTree: what is registered, and what plain containers hide. Nothing is run.

Taking it is split in two, for `trace()` pays for the first half on every model: `capture` reads what may change
into plain rows, and the records are built from the rows (in infos.py) when somebody first looks. Modules are met as
strangers: they are told apart by id(), their `__dict__` is read past their own attribute access, and they are never
compared, hashed, measured or asked for their truth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import cached_property
from itertools import count
from operator import itemgetter
from typing import Any

import torch
from torch import ScriptObject, Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from modscope.data import ModuleInfo, ModuleTree, Origin, Source, TensorSpec
from modscope.tracer import specs
from modscope.tracer.generators import Generators
from modscope.tracer.hidden import Search
from modscope.tracer.infos import Rows, hook_infos
from modscope.tracer.inputs import check
from modscope.tracer.kinds import HOOK_DICTS, STANDARD, Kind, unusual
from modscope.tracer.modes import past_functions, past_tracing
from modscope.tracer.shared import collector
from modscope.tracer.specs import PLAIN
from modscope.tracer.uncompiled import uncompiled

_fixed = itemgetter("training", "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")
_hook_dicts = itemgetter(*HOOK_DICTS)
_read = object.__getattribute__


@uncompiled
def inspect(model: nn.Module) -> ModuleTree:
    """What is registered on a model: modules, parameters, buffers, hooks, ties. Nothing is run.

    Raises ModscopeError for anything that is no module instance.
    """
    captured = capture(check(model))
    captured.release()
    tree: ModuleTree = ModuleTree.deferred(lambda: {"modules": captured.registered_infos, "origin": captured.origin})
    return tree


def capture(model: nn.Module) -> Captured:
    """Read all of a model that may change; `.infos` then gives the records whenever they are wanted."""
    return Captured(model)


class Captured:
    """What was read from a model, and while it runs, which module and which tensor is which.

    `modules` maps id(module) to its number, `tensors` id(tensor) to its number. Those ids hold until `release()`: until
    then every module and tensor is kept alive. Numbers stay good: `path(number)`, `source(number)`, `infos[number]`.
    """

    def __init__(self, model: nn.Module) -> None:
        self.modules: dict[int, int] = {}
        self.tensors: dict[int, int] = {}
        self.alive_modules: list[nn.Module] = []
        self.alive_tensors: list[Tensor] = []
        self.alive_containers: list[tuple[int, str, Any]] = []  # what plain attributes hold, with holder and path
        self.hooked: list[nn.Module] = []  # modules that have hooks
        self.wrapped: list[nn.Module] = []  # what modules made by torch.jit.trace hand everything on to
        self.lazy: list[int] = []  # numbers of tensors whose shape was not known yet
        self._not_plain: deque[tuple[int, dict[str, Any]]] = deque()  # modules whose attributes must be searched
        self._kinds: dict[int, Kind] = {}  # by id: a class may refuse to be hashed
        self._generators: Generators | None = None  # as they were before the user's code ran
        self.rows = Rows()
        self.fake = active_fake_mode() is not None
        self._walk(model, -1, "")
        self.rows.registered = len(self.alive_modules)
        self._settle()

    def add(self, module: nn.Module, holder: int, step: str) -> int:
        """Number a module first met while it ran, and all that is in it; `step` leads to it from its holder's path."""
        number = len(self.alive_modules)
        self.rows.roots.add(number)
        self._walk(module, holder, step)
        self._settle()
        return number

    def look_again(self) -> None:
        """Take lazy tensors for what they have become; torch does not make them lazy again."""
        for number in self.lazy:
            self.rows.specs[number] = _careful_spec(self.alive_tensors[number])

    def release(self) -> None:
        """Let go of the model."""
        self.modules.clear()
        self.tensors.clear()
        self.alive_modules.clear()
        self.alive_tensors.clear()
        self.alive_containers.clear()
        self.hooked.clear()
        self.wrapped.clear()
        self._kinds.clear()

    @property
    def registered(self) -> int:
        """How many modules `named_modules()` knows; those with this number or a higher one are not registered."""
        return self.rows.registered

    @property
    def reached(self) -> tuple[int, int, int, int]:
        """How many modules there are by now, names of parameters and of buffers, and wrapped modules."""
        return len(self.alive_modules), len(self.rows.parameter_numbers), len(self.rows.buffers), len(self.wrapped)

    def waiting(self) -> tuple[set[int], set[int]]:
        """The numbers of the modules that are lazy and have not run, and of the tensors they hold."""
        if not self.lazy:
            return set(), set()
        lazy, rows = set(self.lazy), self.rows
        held = [*((module, tensor) for module, _, tensor in rows.parameters)]
        held += [(module, tensor) for module, _, tensor, _ in rows.buffers]
        modules = {module for module, tensor in held if tensor in lazy}
        return modules, {tensor for module, tensor in held if module in modules}

    @property
    def origin(self) -> Origin:
        """Whether there are numbers in this model's tensors, as it runs now."""
        return "fake" if self.fake or self.rows.on_meta else "real"

    @cached_property
    def infos(self) -> tuple[ModuleInfo, ...]:
        """All modules by their number: the registered ones first, in the order of `named_modules()`."""
        collector.need(self)
        try:
            return self.rows.infos()
        finally:
            collector.leave(self)

    @property
    def registered_infos(self) -> tuple[ModuleInfo, ...]:
        """Those that `named_modules()` knows, in its order."""
        return self.infos[: self.registered]

    def parameters(self) -> Iterator[tuple[int, Tensor]]:
        """Every parameter once, with its number, while it is kept alive."""
        for number in dict.fromkeys(self.rows.parameter_numbers):
            yield number, self.alive_tensors[number]

    def numbers_by_name(self) -> dict[str, int]:
        """The numbers of tensors by their first names."""
        return {source.name: number for number, source in enumerate(map(self.source, range(len(self.rows.specs))))}

    def path(self, module: int) -> str:
        """The path of a module, by its number."""
        return self.rows.paths[module]

    def source(self, tensor: int) -> Source:
        """Which parameter, buffer or attribute a tensor is, by its number."""
        return self.rows.sources[tensor]

    def spec(self, tensor: int) -> TensorSpec:
        """What a tensor is, by its number."""
        return self.rows.tensor_specs[tensor]

    def _walk(self, module: nn.Module, holder: int, step: str) -> None:
        """Rows for a module and all below it, in the order of `named_modules()`, at any depth."""
        numbers, alive, kinds = self.modules, self.alive_modules, self._kinds
        rows, edges, parameter_names = self.rows.modules, self.rows.edges, self.rows.parameter_names
        tensors: list[Tensor] = []
        stack: list[tuple[int, str, Any]] = [(holder, step, module)]
        while stack:
            holder, step, module = stack.pop()
            number = len(alive)
            known = numbers.setdefault(id(module), number)
            if known != number:
                edges.append((holder, step, known))
                continue
            try:
                own = _read(module, "__dict__")
                training, parameters, buffers, children, passing = _fixed(own)
                hooks = any(_hook_dicts(own))
            except (AttributeError, KeyError):
                if not isinstance(module, nn.Module):  # put into `_modules` by hand
                    del numbers[id(module)]
                    continue
                own = _read(module, "__dict__")
                training, parameters, buffers, children, passing = unusual(module, own)
                hooks = True
            alive.append(module)
            edges.append((holder, step, number))
            given: list[Tensor] = []
            if parameters:
                given = [tensor for tensor in parameters.values() if tensor is not None]
                tensors += given
                parameter_names.append(
                    (number, tuple(parameters.keys()) if len(given) == len(parameters) else _given(parameters))
                )
            if buffers:
                self._number_buffers(number, buffers, passing)
            cls = type(module)
            kind = kinds.get(id(cls))
            if kind is None:
                kind = kinds[id(cls)] = Kind(cls, own)
            if kind.runs_code and self._generators is None:
                self._generators = Generators()
            text, plain = kind.look(module, own, len(given))
            if not plain and issubclass(cls, torch.jit.ScriptModule):  # in Python those hold what torch put there
                self.wrapped += [own[name] for name in ("_actual_script_module",) if name in own]
            elif not plain:
                self._not_plain.append((number, own))
            if hooks:
                self.hooked.append(module)
            rows.append((kind.seen, training is True, text, hook_infos(own) if hooks else ()))
            if children:
                below = [(number, name, child) for name, child in children.items() if child is not None]
                below.reverse()
                stack += below
        self._number_parameters(tensors)

    def _number_parameters(self, tensors: list[Tensor]) -> None:
        """Give a number to each that has none: all at once, for there may be very many."""
        numbers = self.tensors
        ids = list(map(id, tensors))
        new = {key: tensor for key, tensor in zip(ids, tensors, strict=True) if key not in numbers}
        numbers.update(zip(new, count(len(self.alive_tensors)), strict=False))
        self.alive_tensors += new.values()
        self.rows.parameter_numbers += map(numbers.__getitem__, ids)

    def _number_buffers(self, module: int, buffers: Any, passing: Any) -> None:
        for name, tensor in buffers.items():
            if isinstance(tensor, Tensor):
                self.rows.buffers.append((module, name, self._number(tensor), name not in passing))

    def _number(self, tensor: Tensor) -> int:
        number = self.tensors.get(id(tensor))
        if number is None:
            number = self.tensors[id(tensor)] = len(self.alive_tensors)
            self.alive_tensors.append(tensor)
        return number

    def _settle(self) -> None:
        """Find what plain attributes hide, also in the modules found that way; then read the new tensors."""
        rows = self.rows
        search = Search(self.modules, self.tensors)
        while self._not_plain:
            holder, own = self._not_plain.popleft()
            attributes = [(name, value) for name, value in own.items() if name not in STANDARD]
            for step, container, found in search(holder, attributes):
                first = len(self.alive_modules)
                if issubclass(type(found), nn.Module):
                    rows.roots.add(first)
                    self._walk(found, holder, step)
                    rows.hidden.append((holder, step, container, range(first, len(self.alive_modules))))
                elif type(found) is ScriptObject:
                    rows.packed[id(found)] = holder, step
                elif specs.is_parameter(found):
                    rows.loose.append((holder, step, container, self._number(found)))
                else:
                    rows.attributes.append((holder, step, self._number(found)))
        self.alive_containers += search.entered.values()
        known = len(rows.specs)
        new = self.alive_tensors[known:]
        rows.specs += _specs(new)
        if not PLAIN.issuperset(map(type, new)):
            self.lazy += [number for number in range(known, len(rows.specs)) if rows.specs[number] is None]
        self.fake = self.fake or FakeTensor in set(map(type, new))
        if self._generators is not None:
            self._generators.put_back()
            self._generators = None


def _given(parameters: dict[str, Any]) -> tuple[str, ...]:
    """The names that are no None: what a layer has left out."""
    return tuple(name for name, tensor in parameters.items() if tensor is not None)


def _specs(tensors: list[Tensor]) -> list[specs.Facts | TensorSpec | None]:
    """What each tensor is; None where nothing is known yet."""
    try:
        return past_tracing(past_functions, _read_specs, tensors)
    except RuntimeError:  # a nested tensor refuses to say its shape
        return [_careful_spec(tensor) for tensor in tensors]


def _read_specs(tensors: list[Tensor]) -> list[specs.Facts | TensorSpec | None]:
    facts, plain = specs.facts, PLAIN
    return [facts(tensor) if type(tensor) in plain else _careful_spec(tensor) for tensor in tensors]


def active_fake_mode() -> FakeTensorMode | None:
    """The mode in which this thread runs without numbers: that of `fake()`, or one of the user's."""
    mode: FakeTensorMode | None = torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE)
    return mode


def _careful_spec(tensor: Any) -> TensorSpec | None:
    if not isinstance(tensor, Tensor) or specs.is_lazy(tensor):
        return None
    return specs.spec(tensor)
