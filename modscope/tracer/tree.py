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
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.nn.parameter import is_lazy

from modscope.data import ModuleInfo, ModuleTree, Origin, Source, TensorSpec
from modscope.tracer import specs
from modscope.tracer.hidden import Search
from modscope.tracer.infos import HOOKS, Rows, hook_infos
from modscope.tracer.inputs import check
from modscope.tracer.kinds import STANDARD, Kind
from modscope.tracer.modes import past_functions
from modscope.tracer.shared import collector

_fixed = itemgetter("training", "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")
_hook_dicts = itemgetter(*HOOKS)
_read = object.__getattribute__


def inspect(model: nn.Module) -> ModuleTree:
    """What is registered on a model: modules, parameters, buffers, hooks, ties. Nothing is run.

    Raises ModscopeError for anything that is no module instance.
    """
    captured = capture(check(model))
    captured.release()
    return captured.tree


def capture(model: nn.Module) -> Captured:
    """Read all of a model that may change; `.tree` then gives the records whenever they are wanted."""
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
        self._not_plain: deque[tuple[int, dict[str, Any]]] = deque()  # modules whose attributes must be searched
        self._kinds: dict[type, Kind] = {}
        self.rows = Rows()
        self._fake = active_fake_mode() is not None
        self._walk(model, -1, "")
        self.rows.registered = len(self.alive_modules)
        self._settle()
        self.tree: ModuleTree = ModuleTree.deferred(
            lambda: {"modules": self.infos[: self.registered], "origin": self.origin}
        )

    def add(self, module: nn.Module, holder: int, step: str) -> int:
        """Number a module first met while it ran, and all that is in it; `step` leads to it from its holder's path."""
        number = len(self.alive_modules)
        self.rows.roots.add(number)
        self._walk(module, holder, step)
        self._settle()
        return number

    def release(self) -> None:
        """Let go of the model."""
        self.modules.clear()
        self.tensors.clear()
        self.alive_modules.clear()
        self.alive_tensors.clear()
        self.alive_containers.clear()
        self._kinds.clear()

    @property
    def registered(self) -> int:
        """How many modules `named_modules()` knows; those with this number or a higher one are not registered."""
        return self.rows.registered

    @property
    def lazy(self) -> list[int]:
        """Numbers of tensors whose shape was not known yet."""
        return [number for number, seen in enumerate(self.rows.specs) if seen is None]

    @property
    def origin(self) -> Origin:
        """Whether there are numbers in this model's tensors, as it runs now."""
        return "fake" if self._fake or self.rows.on_meta else "real"

    @cached_property
    def infos(self) -> tuple[ModuleInfo, ...]:
        """All modules by their number: the registered ones first, in the order of `named_modules()`."""
        collector.need(self)
        try:
            return self.rows.infos()
        finally:
            collector.leave(self)

    def parameters(self) -> Iterator[tuple[int, Tensor]]:
        """Every parameter once, with its number, while it is kept alive."""
        for number in dict.fromkeys(number for _, _, number in self.rows.parameters):
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
        rows, edges = self.rows.modules, self.rows.edges
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
                training, parameters, buffers, children, passing = _unusual(module, own)
                hooks = True
            alive.append(module)
            edges.append((holder, step, number))
            count = self._number_parameters(number, parameters) if parameters else 0
            if buffers:
                self._number_buffers(number, buffers, passing)
            cls = type(module)
            kind = kinds.get(cls)
            if kind is None:
                kind = kinds[cls] = Kind(cls, own)
            text, plain = kind.look(module, own, count)
            if not plain:
                self._not_plain.append((number, own))
            rows.append((kind.seen, training is True, text, hook_infos(own) if hooks else ()))
            if children:
                below = [(number, name, child) for name, child in children.items() if child is not None]
                below.reverse()
                stack += below

    def _number_parameters(self, module: int, parameters: Any) -> int:
        numbers, alive, rows = self.tensors, self.alive_tensors, self.rows.parameters
        count = 0
        for name, tensor in parameters.items():
            if tensor is not None:
                count += 1
                number = len(alive)
                known = numbers.setdefault(id(tensor), number)
                if known == number:
                    alive.append(tensor)
                rows.append((module, name, known))
        return count

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
                if isinstance(found, nn.Module):
                    rows.roots.add(first)
                    self._walk(found, holder, step)
                    rows.hidden.append((holder, step, container, range(first, len(self.alive_modules))))
                elif isinstance(found, nn.Parameter):
                    rows.loose.append((holder, step, container, self._number(found)))
                else:
                    rows.attributes.append((holder, step, self._number(found)))
        self.alive_containers += search.entered.values()
        new = self.alive_tensors[len(rows.specs) :]
        rows.specs += _specs(new)
        self._fake = self._fake or FakeTensor in set(map(type, new))


def _unusual(module: nn.Module, own: dict[str, Any]) -> tuple[Any, ...]:
    """The same facts of a ScriptModule, whose children live in C++, or of a module without `super().__init__()`."""
    training = own.get("training", True)
    if isinstance(module, torch.jit.ScriptModule):
        training = getattr(module, "training", True)  # a frozen one has no flag
    held = [own.get(name) or {} for name in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")]
    return training, *held


def _specs(tensors: list[Tensor]) -> list[specs.Facts | TensorSpec | None]:
    """What each tensor is; None where nothing is known yet."""
    try:
        return past_functions(_read_specs, tensors)
    except RuntimeError:  # a nested tensor refuses to say its shape
        return [_careful_spec(tensor) for tensor in tensors]


def _read_specs(tensors: list[Tensor]) -> list[specs.Facts | TensorSpec | None]:
    facts, plain = specs.facts, specs.PLAIN
    return [facts(tensor) if type(tensor) in plain else _careful_spec(tensor) for tensor in tensors]


def active_fake_mode() -> FakeTensorMode | None:
    """The mode in which this thread runs without numbers: that of `fake()`, or one of the user's."""
    mode: FakeTensorMode | None = torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE)
    return mode


def _careful_spec(tensor: Any) -> TensorSpec | None:
    if not isinstance(tensor, Tensor) or is_lazy(tensor):
        return None
    return specs.spec(tensor)
