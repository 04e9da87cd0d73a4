"""The tree: what is registered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from modscope.data.deferred import Deferred
from modscope.data.tensors import Origin, TensorSpec
from modscope.errors import ModscopeError


@dataclass(frozen=True, slots=True)
class Values:
    """Numbers seen in a tensor, where `values=True` asked for them; minimum and maximum leave nan out."""

    minimum: float | None
    maximum: float | None
    finite: bool
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Gradient:
    """What a parameter's gradient was after the recorded backward."""

    arrived: bool
    zero: bool | None = None
    finite: bool | None = None
    norm: float | None = None


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    """A registered parameter under one of its names."""

    path: str
    spec: TensorSpec
    trainable: bool
    tied_to: str | None = None  # the first name of the same tensor, when this is a later one
    initialized: bool = True  # False: lazy, shape not known yet
    gradient: Gradient | None = None
    values: Values | None = None
    optimized: bool | None = None  # whether the recorded optimizer holds it; None: none was given

    @property
    def counts(self) -> bool:
        """Whether totals count it: each tensor under its first name, once its shape is known."""
        return self.tied_to is None and self.initialized


@dataclass(frozen=True, slots=True)
class BufferInfo:
    """A registered buffer under one of its names."""

    path: str
    spec: TensorSpec
    persistent: bool
    tied_to: str | None = None
    initialized: bool = True
    values: Values | None = None

    @property
    def counts(self) -> bool:
        """Whether totals count it: each tensor under its first name, once its shape is known."""
        return self.tied_to is None and self.initialized


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """A class of the module's own part of the MRO, and where its source is."""

    name: str
    module: str
    file: str | None = field(default=None, compare=False)
    line: int | None = None
    ignores: tuple[str, ...] = ()  # rules its `# modscope: ignore[...]` comments name


@dataclass(frozen=True, slots=True)
class HookInfo:
    """A hook the user put on a module."""

    kind: str  # "forward_pre", "forward", "backward", "state_dict", …
    name: str  # qualified name of the function


@dataclass(frozen=True, slots=True)
class Hidden:
    """A module or parameter that sits in a plain container or object, where `named_modules()` does not see it."""

    path: str  # bracketed: "encoder.layers[0]"
    type: str
    kind: Literal["module", "parameter"]
    container: str  # "list", "dict", "tuple", "set", or the class of the plain object
    params: int = 0  # elements of its parameters


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """One module object of the tree."""

    path: str  # first key of named_modules(); "" is the root; brackets: not registered
    type: str  # class name
    paths: tuple[str, ...] = ()  # every name it is registered under, the first one first
    classes: tuple[ClassInfo, ...] = ()
    parameters: tuple[ParameterInfo, ...] = ()  # its own, not its children's
    buffers: tuple[BufferInfo, ...] = ()
    children: tuple[str, ...] = ()  # paths in registration order; a shared child by its first path
    training: bool = True
    extra_repr: str = ""
    registered: bool = True
    hooks: tuple[HookInfo, ...] = ()
    hidden: tuple[Hidden, ...] = ()
    tensors: tuple[tuple[str, TensorSpec], ...] = ()  # plain tensor attributes: neither parameter nor buffer
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def shared(self) -> bool:
        """Whether the same module object is registered under several paths."""
        return len(self.paths) > 1

    @property
    def params(self) -> int:
        """Elements of its own parameters, tied ones left to their first name, lazy ones not known yet."""
        return sum(p.spec.numel for p in self.parameters if p.counts)

    @property
    def trainable_params(self) -> int:
        """Elements of those that require a gradient."""
        return sum(p.spec.numel for p in self.parameters if p.counts and p.trainable)


@dataclass(frozen=True)
class ModuleTree(Deferred, Mapping[str, ModuleInfo]):
    """What is registered: path -> ModuleInfo, in the order of `named_modules()`. Totals count each tensor once."""

    modules: tuple[ModuleInfo, ...]  # the root first
    origin: Origin

    def __iter__(self) -> Iterator[str]:
        return (module.path for module in self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def __getitem__(self, path: str) -> ModuleInfo:
        try:
            return self._by_path[path]
        except KeyError:
            raise _unknown_path(path, self._by_path) from None

    def __contains__(self, path: object) -> bool:
        return path in self._by_path

    @cached_property
    def _by_path(self) -> dict[str, ModuleInfo]:
        return {path: module for module in self.modules for path in (module.path, *module.paths)}

    @property
    def root(self) -> ModuleInfo:
        """The module that was looked at."""
        return self.modules[0]

    @cached_property
    def total_params(self) -> int:
        """Elements of all registered parameters, each tensor once, as `sum(p.numel() for p in model.parameters())`."""
        return sum(module.params for module in self.modules)

    @cached_property
    def trainable_params(self) -> int:
        """Elements of those that require a gradient."""
        return sum(module.trainable_params for module in self.modules)

    @cached_property
    def total_buffers(self) -> int:
        """Elements of all buffers, each tensor once."""
        return sum(b.spec.numel for m in self.modules for b in m.buffers if b.counts)

    @cached_property
    def total_bytes(self) -> int:
        """Bytes of parameters and buffers, each tensor once."""
        return sum(
            tensor.spec.nbytes
            for module in self.modules
            for group in (module.parameters, module.buffers)
            for tensor in group
            if tensor.counts
        )

    def __str__(self) -> str:
        from modscope.renderers.tree import render

        return render(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from modscope.renderers.html import render

        return render(self)

    def to_json(self) -> str:
        """JSON text; `ModuleTree.from_json` reads it back."""
        from modscope.schema import dump

        return dump(self)

    @classmethod
    def from_json(cls, text: str) -> ModuleTree:
        """The tree that `to_json` wrote; UnreadableTrace when it is none."""
        from modscope.schema import load

        return load(text, cls)


class UnknownPath(ModscopeError, KeyError):
    """A path that the tree does not have."""

    __str__ = Exception.__str__


def _unknown_path(path: object, known: Mapping[str, ModuleInfo]) -> UnknownPath:
    from difflib import get_close_matches

    closest = get_close_matches(str(path), known, 1, 0)
    hint = f"; the closest is {closest[0]!r}" if closest else ""
    return UnknownPath(
        f'no module {path!r} in this tree{hint}. Paths are the names given by model.named_modules(); "" is the root.'
    )
