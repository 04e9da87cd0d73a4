"""A model and its inputs: tensors by their bits, modules, classes and containers by what their names are bound to."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from tests.residue.bits import bits
from tests.residue.snapshot import Key, Snapshot

# The dictionaries every nn.Module has of its own: _parameters, _modules, _forward_hooks, …
_REGISTRIES = frozenset(name for name, value in vars(nn.Module()).items() if isinstance(value, dict | set))
_PLAIN = (bool, int, float, complex, str, bytes, type, FunctionType, MethodType, ModuleType, torch.dtype, torch.device)
_DEEPEST = 30


def observe_model(snapshot: Snapshot, model: nn.Module, inputs: Any) -> None:
    """Fill in all that is the model's, registered or not, and what it is called with."""
    walk = _Walk(snapshot)
    walk.visit(model, "model", "object")
    walk.visit(inputs, "inputs", "input")
    while walk.waiting:
        walk.visit(*walk.waiting.pop())


def modules_of(model: nn.Module) -> list[nn.Module]:
    """Every module that can be reached from `model`, registered or in containers and plain objects, itself first."""
    walk = _Walk(Snapshot())
    walk.visit(model, "model", "object")
    while walk.waiting:
        walk.visit(*walk.waiting.pop())
    return [each for each in walk.seen.values() if issubclass(type(each), nn.Module)]


class _Walk:
    """Visits each object once, under the first way that led to it. No code of the model runs."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.seen: dict[int, Any] = {}
        self.waiting: list[tuple[Any, str, str]] = []

    def visit(self, value: Any, path: str, kind: str) -> None:
        if value is None or issubclass(type(value), _PLAIN) or id(value) in self.seen:
            return
        self.seen[id(value)] = value
        if issubclass(type(value), torch.Tensor):
            self.tensor(value, path, kind)
        elif issubclass(type(value), nn.Module):
            self.module(value, path)
        elif issubclass(type(value), GeneratorType):
            self.snapshot.facts[kind, f"{path} state"] = inspect.getgeneratorstate(value)
        else:
            self.container(value, path, kind)

    def module(self, module: nn.Module, path: str) -> None:
        own = object.__getattribute__(module, "__dict__")
        if issubclass(type(module), LazyModuleMixin) and _waits(own):
            self.snapshot.lazy.add(id(module))
        kind = "lazy" if id(module) in self.snapshot.lazy else "module"
        self.snapshot.bindings[kind, path] = dict(own)
        self.snapshot.facts[kind, f"{path} class"] = type(module).__qualname__
        for cls in type(module).__mro__[:-1]:
            if cls is not nn.Module:
                self.snapshot.bindings["class", f"{cls.__module__}.{cls.__qualname__}"] = dict(vars(cls))
        for name, value in own.items():
            if name in _REGISTRIES and isinstance(value, dict | set):
                if value:
                    self.registry(name, value, path, kind)
            else:
                self.waiting.append((value, f"{path}.{name}", "object"))

    def registry(self, name: str, entries: Any, path: str, kind: str) -> None:
        kinds = {"_parameters": "parameter", "_buffers": "buffer", "_modules": "object"}
        if name not in kinds:
            # Hooks are kept under numbers that count up from hook to hook: a twin's are others.
            entries = dict(enumerate(entries.values())) if isinstance(entries, dict) else dict.fromkeys(entries)
        self.snapshot.bindings[kind, f"{path}.{name}"] = dict(entries)
        if name in kinds:
            for key, value in reversed(entries.items()):
                self.waiting.append((value, f"{path}.{key}", kind if kind == "lazy" else kinds[name]))

    def tensor(self, tensor: torch.Tensor, path: str, kind: str) -> None:
        if kind == "object":
            kind = "tensor"
        facts, bindings = self.snapshot.facts, self.snapshot.bindings
        initialized = not isinstance(tensor, nn.parameter.UninitializedTensorMixin)
        facts[kind, f"{path} bits"] = bits(tensor)
        facts[kind, f"{path} requires_grad"] = tensor.requires_grad
        if initialized and not tensor.is_inference():
            facts[kind, f"{path} version"] = tensor._version
        _note(bindings, ("hooks", f"{path} backward"), tensor._backward_hooks)
        if initialized and tensor.is_leaf:
            post = getattr(tensor, "_post_accumulate_grad_hooks", None)
            _note(bindings, ("hooks", f"{path} accumulated"), post)
            if tensor.grad is not None:
                bindings["grad", path] = {"grad": tensor.grad}
                facts["grad", f"{path} bits"] = bits(tensor.grad)
        if type(tensor) is not torch.Tensor and hasattr(tensor, "__dict__"):
            bindings[kind, f"{path} attributes"] = {
                name: value for name, value in vars(tensor).items() if not name.startswith("_sym_sizes_capsule")
            }  # that one is torch's: whoever reads the shape of a jagged tensor leaves it there

    def container(self, value: Any, path: str, kind: str) -> None:
        if path.count("[") + path.count("<") > _DEEPEST:
            return
        entries = dict(_entries(value))
        if entries:
            self.snapshot.bindings[kind, path] = entries
        for name, entry in reversed(entries.items()):
            self.waiting.append(
                (entry, f"{path}[{name!r}]" if type(name) in (int, str) else f"{path}[<{type(name).__name__}>]", kind)
            )


def _note(bindings: dict[Any, Any], key: Key, hooks: dict[Any, Any] | None) -> None:
    if hooks:
        bindings[key] = dict(enumerate(hooks.values()))


def _entries(value: Any) -> Iterator[tuple[Any, Any]]:
    if issubclass(type(value), dict):
        yield from ((key if type(key) in (int, str) else id(key), entry) for key, entry in dict.items(value))
    elif issubclass(type(value), list | tuple):
        yield from enumerate((list if issubclass(type(value), list) else tuple).__iter__(value))
    elif issubclass(type(value), set | frozenset):
        yield from ((id(entry), entry) for entry in value)
    if not type(value).__module__.startswith(("torch", "threading", "_thread", "builtins", "collections")):
        try:
            yield from object.__getattribute__(value, "__dict__").items()
        except AttributeError:
            return


def _waits(own: dict[str, Any]) -> bool:
    tensors = [*own.get("_parameters", {}).values(), *own.get("_buffers", {}).values()]
    return any(isinstance(tensor, nn.parameter.UninitializedTensorMixin) for tensor in tensors)
