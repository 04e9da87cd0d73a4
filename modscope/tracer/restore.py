"""How a model was before the forward, and putting that back: names, flags, hooks, buffers and gradients by value.

Every step looks at what there is and mends only what differs, so that it may be interrupted and taken up again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter, is_, itemgetter
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.hooks import RemovableHandle

from modscope.tracer.bindings import ClassAttributes, Members, Names
from modscope.tracer.modes import past_modes
from modscope.tracer.numbers import Numbers
from modscope.tracer.specs import PLAIN
from modscope.tracer.tree import Captured

_Result = TypeVar("_Result")
_read = object.__getattribute__
_PASSING = "_non_persistent_buffers_set"
_HOLDING = ("_parameters", "_buffers", "_modules")
_HOOKS = tuple(name for name, value in vars(nn.Module()).items() if isinstance(value, dict) and name not in _HOLDING)
_DICTS = frozenset({dict, OrderedDict})
_held: Callable[[Any], tuple[Any, ...]] = itemgetter(*_HOLDING)
_hooks: Callable[[Any], tuple[Any, ...]] = itemgetter(*_HOOKS)
_tensor_hooks: Callable[[Tensor], tuple[Any, Any]] = attrgetter("_backward_hooks", "_post_accumulate_grad_hooks")
_gradient: Callable[[Tensor], Tensor | None] = attrgetter("grad")


class ModelState:
    """A model, and whatever else its forward meets: taken before, put back after."""

    def __init__(self) -> None:
        self.failed: dict[int | str, str] = {}  # what could not be put back, a tensor by its number, and why
        self._parts: list[_Modules | _Gradients] = []
        self._classes: dict[int, ClassAttributes] = {}  # by id: a class may refuse to be hashed
        self._numbers: dict[int, Numbers] = {}  # by id of the tensor

    def take(self, captured: Captured, first: int = 0) -> None:
        """How the modules from this number on are now. Lazy ones become other modules: that cannot be undone."""
        past_modes(self._take, captured, captured.alive_modules[first:])

    def take_gradients(self, tensors: Iterable[Tensor], captured: Captured) -> None:
        """The gradients of leaves, and the hooks on them."""
        past_modes(self._take_gradients, tensors, captured)

    def put_back(self) -> None:
        """Mend what differs. May be interrupted, and called again."""
        with torch.no_grad(): past_modes(self._put_back)  # in one line, for an interrupt  # noqa: E701  # fmt: skip

    def _take(self, captured: Captured, modules: Sequence[nn.Module]) -> None:
        part = _Modules(modules)
        if not PLAIN.issuperset(map(type, chain(part.parameters, part.buffers))):
            part = _Modules([module for module in modules if not _waits(module)])
        self._parts.append(part)
        for cls in {id(cls): cls for cls in map(type, part.modules)}.values():
            for each in cls.__mro__:
                if id(each) not in self._classes and each is not nn.Module and each is not object:
                    self._classes[id(each)] = ClassAttributes(each)
        for buffer in part.buffers:
            self._take_numbers(buffer, captured.tensors.get(id(buffer), "a buffer"))
        self._take_gradients(part.parameters, captured)

    def _take_gradients(self, tensors: Iterable[Tensor], captured: Captured) -> None:
        leaves = [tensor for tensor in tensors if type(tensor) is nn.Parameter or tensor.is_leaf]
        part = _Gradients(leaves)
        self._parts.append(part)
        for leaf, gradient in zip(leaves, part.gradients, strict=True):
            if gradient is not None:
                self._take_numbers(gradient, captured.tensors.get(id(leaf), "a gradient"))

    def _take_numbers(self, tensor: Tensor, what: int | str) -> None:
        if id(tensor) not in self._numbers and not tensor.is_meta:
            numbers = self._attempt(what, Numbers, tensor, what)
            if numbers is not None:
                self._numbers[id(tensor)] = numbers

    def _put_back(self) -> None:
        for part in (*self._parts, *self._classes.values(), *self._numbers.values()):
            self._attempt(part.what, part.put_back)

    def _attempt(self, what: int | str, act: Callable[..., _Result], *args: Any) -> _Result | None:
        """What cannot be done is written down, and does not keep the rest from being done."""
        try:
            return act(*args)
        except Exception as error:
            self.failed[what] = f"{type(error).__name__}: {error}"
            return None


class _Modules:
    """What some modules are made of."""

    what = "what the modules hold"

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = list(modules)
        self._kinds = list(map(type, modules))
        self._owns: list[dict[str, Any]] = [_read(module, "__dict__") for module in modules]
        parameters, buffers, children = _columns(self._owns)
        self.parameters = _tensors(parameters)
        self.buffers = _tensors(buffers)
        self._next_hook = RemovableHandle.next_id
        self._hooks = list(map(_hook_dicts, self._owns))
        hooked = [each for each in self._hooks if any(each)] if any(chain.from_iterable(self._hooks)) else []
        self._hooked = set(map(id, chain.from_iterable(hooked)))
        self._names = Names([*self._owns, *parameters, *buffers, *children, *chain.from_iterable(hooked)])
        self._members = Members([own[_PASSING] for own in self._owns if _PASSING in own])

    def put_back(self) -> None:
        if not all(map(is_, map(type, self.modules), self._kinds)):
            for module, kind in zip(self.modules, self._kinds, strict=True):
                if type(module) is not kind:
                    object.__setattr__(module, "__class__", kind)
        self._names.put_back()
        self._members.put_back()
        if RemovableHandle.next_id != self._next_hook:
            for hooks in chain.from_iterable(self._hooks):
                if id(hooks) not in self._hooked:
                    hooks.clear()


class _Gradients:
    """The gradients of some leaves, and the hooks on them."""

    what = "gradients"

    def __init__(self, tensors: list[Tensor]) -> None:
        self._tensors = tensors
        self.gradients = list(map(_gradient, tensors))
        self._next_hook = RemovableHandle.next_id
        self._names = Names([hooks for hooks in chain.from_iterable(map(_tensor_hooks, tensors)) if hooks is not None])

    def put_back(self) -> None:
        if not all(map(is_, map(_gradient, self._tensors), self.gradients)):
            for tensor, gradient in zip(self._tensors, self.gradients, strict=True):
                if tensor.grad is not gradient:
                    tensor.grad = gradient
        self._names.put_back()
        if RemovableHandle.next_id != self._next_hook:
            for hooks in chain.from_iterable(map(_tensor_hooks, self._tensors)):
                for number in [number for number in hooks or () if number >= self._next_hook]:
                    del hooks[number]


def _columns(owns: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The modules' parameters, buffers and children; a ScriptModule keeps them in C++."""
    try:
        columns = list(zip(*map(_held, owns), strict=True)) if owns else [(), (), ()]
    except KeyError:
        columns = [tuple(own.get(name) for own in owns) for name in _HOLDING]
    for column in columns:
        usual = _DICTS.issuperset(map(type, column))
        yield list(column) if usual else [each for each in column if type(each) in _DICTS]


def _tensors(spaces: Iterable[dict[str, Any]]) -> list[Tensor]:
    """Each tensor in these once."""
    found = chain.from_iterable(map(dict.values, spaces))
    return list({id(each): each for each in found if type(each) in PLAIN or issubclass(type(each), Tensor)}.values())


def _hook_dicts(own: dict[str, Any]) -> Sequence[Any]:
    try:
        return _hooks(own)
    except KeyError:
        return [own[name] for name in _HOOKS if type(own.get(name)) in _DICTS]


def _waits(module: nn.Module) -> bool:
    """Whether a module is lazy, and has not run."""
    own = _read(module, "__dict__")
    columns = list(_columns([own]))
    return any(map(is_lazy, _tensors(chain(columns[0], columns[1]))))
