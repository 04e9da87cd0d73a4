"""How a model was before the forward, and putting that back: names, flags, hooks, buffers and gradients by value.

Every step looks at what there is and mends only what differs, so that it may be interrupted and taken up again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, compress, repeat
from operator import attrgetter, is_, itemgetter, not_
from threading import get_ident
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from modscope.tracer.bindings import ClassAttributes, Members, Names
from modscope.tracer.kinds import HOOK_DICTS, TABLES
from modscope.tracer.modes import past_functions, past_modes
from modscope.tracer.numbers import Values
from modscope.tracer.shared import alone
from modscope.tracer.struck import heed
from modscope.tracer.tree import Captured

_Result = TypeVar("_Result")
_read = object.__getattribute__
_PASSING = "_non_persistent_buffers_set"
_DICTS = frozenset({dict, OrderedDict})
_held: Callable[[Any], tuple[Any, ...]] = itemgetter(*TABLES)
_hooks: Callable[[Any], tuple[Any, ...]] = itemgetter(*HOOK_DICTS)
_tensor_hooks: Callable[[Tensor], tuple[Any, Any]] = attrgetter("_backward_hooks", "_post_accumulate_grad_hooks")
_gradient: Callable[[Tensor], tuple[Tensor | None, bool]] = attrgetter("grad", "requires_grad")
_wants: Callable[[Any], bool] = itemgetter(1)
_Part = TypeVar("_Part", bound="_Modules | _Gradients | Values")


class ModelState:
    """A model, and whatever else its forward meets: taken before, put back after.

    What another thread's recording holds already is in the midst of that one's forward: how it was is taken over from
    there, and the last of them puts it back.
    """

    _running: ClassVar[list[ModelState]] = []

    def __init__(self) -> None:
        self._thread = get_ident()
        self.failed: dict[int | str, str] = {}  # what could not be put back, a tensor by its number, and why
        self._reached = (0, 0, 0, 0)  # modules, parameters, buffers, wrapped modules
        self._parts: list[_Modules | _Gradients | Values] = []
        self._classes: dict[int, ClassAttributes] = {}  # by id: a class may refuse to be hashed
        self._valued: set[int] = set()  # ids of tensors

    def take(self, captured: Captured) -> None:
        """How all that was captured since the last time is now. Lazy modules become others: that cannot be undone."""
        alone(past_modes, self._take, captured)

    def take_gradients(self, tensors: Iterable[Tensor], captured: Captured) -> None:
        """The gradients of leaves, and the hooks on them."""
        alone(past_modes, self._take_gradients, tensors, captured)

    def put_back(self) -> None:
        """Mend what differs. May be interrupted, and called again."""
        past_functions(self._without_gradients)

    def _without_gradients(self) -> None:
        with torch.no_grad(): alone(past_modes, self._put_back)  # in one line, for an interrupt  # noqa: E701  # fmt: skip

    def _take(self, captured: Captured) -> None:
        if self not in self._running:
            self._running.append(self)
        (modules, parameters, buffers, wrapped), self._reached = self._reached, captured.reached
        lazy_modules, lazy_tensors = captured.waiting()
        new = enumerate(captured.alive_modules[modules:], modules)
        owners = [module for number, module in new if number not in lazy_modules] + captured.wrapped[wrapped:]
        for part in self._taken(_Modules, owners, captured):
            self._take_classes(part)
        tensors, rows = captured.alive_tensors, captured.rows
        held = [number for _, _, number, _ in rows.buffers[buffers:]]
        self._take_values((tensors[number], number) for number in held if number not in lazy_tensors)
        found = dict.fromkeys([*rows.parameter_numbers[parameters:], *held])
        self._take_gradients([tensors[number] for number in found if number not in lazy_tensors], captured)

    def _take_classes(self, part: _Modules) -> None:
        for cls in {id(cls): cls for cls in part.classes}.values():
            for each in cls.__mro__:
                if id(each) not in self._classes and each is not nn.Module and each is not object:
                    known = (state._classes[id(each)] for state in self._elsewhere() if id(each) in state._classes)
                    self._classes[id(each)] = next(known, None) or ClassAttributes(each)

    def _take_gradients(self, tensors: Iterable[Tensor], captured: Captured) -> None:
        leaves = [tensor for tensor in tensors if type(tensor) is nn.Parameter or _is_leaf(tensor)]
        for part in self._taken(_Gradients, leaves):
            self._take_values(
                (gradient, captured.tensors.get(id(leaf), "a gradient")) for leaf, gradient in part.gradients()
            )

    def _take_values(self, named: Iterable[tuple[Tensor, int | str]]) -> None:
        new = {
            id(tensor): (tensor, what)
            for tensor, what in named
            if id(tensor) not in self._valued and not _read(tensor, "is_meta")
        }
        self._valued.update(new)
        whats = {key: what for key, (_, what) in new.items()}
        self._taken(Values, [tensor for tensor, _ in new.values()], whats, self._attempt)

    def _taken(self, kind: type[_Part], owners: Sequence[Any], *args: Any) -> list[_Part]:
        """How these are now, or were when another thread's recording took them."""
        parts: list[_Part] = []
        for part in (part for state in self._elsewhere() for part in state._parts):
            if isinstance(part, kind):
                there = set(map(id, part.owners))
                if not there.isdisjoint(map(id, owners)):
                    parts.append(part)
                    owners = [owner for owner in owners if id(owner) not in there]
        parts.append(kind(owners, *args))
        self._parts += parts
        return parts

    def _elsewhere(self) -> list[ModelState]:
        return [state for state in self._running if state._thread != self._thread]

    def _records(self) -> list[_Modules | _Gradients | Values | ClassAttributes]:
        return [*self._parts, *self._classes.values()]

    def _put_back(self) -> None:
        still_held = {id(record) for state in self._elsewhere() for record in state._records()}
        for record in self._records():
            if id(record) not in still_held:
                for each in record.moved() if isinstance(record, Values) else (record,):
                    self._attempt(each.what, each.put_back)
        self._running[:] = [state for state in self._running if state is not self]

    def _attempt(self, what: int | str, act: Callable[..., _Result], *args: Any) -> _Result | None:
        """What cannot be done is written down, and does not keep the rest from being done."""
        try:
            return act(*args)
        except Exception as error:
            heed(error)
            self.failed[what] = f"{type(error).__name__}: {error}"
            return None


class _Modules:
    """What some modules are made of."""

    what = "what the modules hold"

    def __init__(self, owners: Sequence[nn.Module], captured: Captured) -> None:
        self.owners = list(owners)
        self.classes = list(map(type, owners))
        self._owns: list[dict[str, Any]] = list(map(_read, owners, repeat("__dict__")))
        self._next_hook = RemovableHandle.next_id
        hooked = _these(captured.hooked, owners)
        hooks = [each for module in hooked for each in _hook_dicts(_read(module, "__dict__"))]
        self._hooked = set(map(id, hooks))
        self._names = Names([*self._owns, *_tables(self._owns), *hooks])
        self._members = Members([own[_PASSING] for own in self._owns if _PASSING in own])

    def put_back(self) -> None:
        if not all(map(is_, map(type, self.owners), self.classes)):
            for module, cls in zip(self.owners, self.classes, strict=True):
                if type(module) is not cls:
                    object.__setattr__(module, "__class__", cls)
        if not all(map(is_, map(_read, self.owners, repeat("__dict__")), self._owns)):
            for module, own in zip(self.owners, self._owns, strict=True):
                object.__setattr__(module, "__dict__", own)
        self._names.put_back()
        self._members.put_back()
        if RemovableHandle.next_id != self._next_hook:
            for hooks in chain.from_iterable(map(_hook_dicts, self._owns)):
                if id(hooks) not in self._hooked:
                    hooks.clear()


class _Gradients:
    """The gradients of some leaves, whether they want one, and the hooks on them."""

    what = "gradients"

    def __init__(self, owners: Sequence[Tensor]) -> None:
        self.owners = list(owners)
        self._before = list(map(_gradient, owners))
        # torch lets no others come onto a graph
        self._frozen = list(compress(owners, map(not_, map(_wants, self._before))))
        self._next_hook = RemovableHandle.next_id
        self._names = Names([hooks for hooks in chain.from_iterable(map(_tensor_hooks, owners)) if hooks is not None])

    def gradients(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Each leaf that has one, with its gradient."""
        return ((leaf, each) for leaf, (each, _) in zip(self.owners, self._before, strict=True) if each is not None)

    def put_back(self) -> None:
        for tensor in self._frozen:
            if not tensor.is_leaf:
                _cut(tensor)
        now = list(map(_gradient, self.owners))
        if not all(map(is_, chain.from_iterable(now), chain.from_iterable(self._before))):
            for tensor, (gradient, flag) in zip(self.owners, self._before, strict=True):
                if tensor.requires_grad is not flag:
                    tensor.requires_grad_(flag)
                if tensor.grad is not gradient:
                    tensor.grad = gradient
        self._names.put_back()
        if RemovableHandle.next_id != self._next_hook:
            for hooks in chain.from_iterable(map(_tensor_hooks, self.owners)):
                for number in [number for number in hooks or () if number >= self._next_hook]:
                    del hooks[number]


def _is_leaf(value: Any) -> bool:
    """Of a tensor; what else somebody put among the parameters is none, nor is a tensor that answers no question."""
    try:
        return issubclass(type(value), Tensor) and value.is_leaf
    except Exception:
        return False


def _cut(tensor: Tensor) -> None:
    """Off the graph that a write in place has put a leaf on."""
    try:
        tensor.detach_()
    except RuntimeError:  # a view
        torch._C._swap_tensor_impl(tensor, tensor.detach())


def _these(some: Sequence[nn.Module], owners: Sequence[nn.Module]) -> list[nn.Module]:
    """Those of some modules that are among the owners."""
    among = set(map(id, owners)) if some else ()
    return [module for module in some if id(module) in among]


def _tables(owns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where the modules keep their parameters, buffers and children; a ScriptModule keeps them in C++."""
    try:
        tables = list(chain.from_iterable(map(_held, owns)))
    except KeyError:
        tables = [own.get(name) for own in owns for name in TABLES]
    usual = _DICTS.issuperset(map(type, tables))
    return tables if usual else [each for each in tables if type(each) in _DICTS]


def _hook_dicts(own: dict[str, Any]) -> Sequence[Any]:
    try:
        return _hooks(own)
    except KeyError:
        return [own[name] for name in HOOK_DICTS if type(own.get(name)) in _DICTS]
