"""The calls of a model, by global hooks and a plain run: what a trace must have seen, found out without modscope."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils import _pytree

from tests.residue.cases import Build, build
from tests.residue.scene import at_home, eager, plain

Shapes = tuple[tuple[int, ...], ...]


class Called(NamedTuple):
    """One call: the module's first registered path, or None, and the shapes of all tensors that came out."""

    path: str | None
    shapes: Shapes | None  # None: it raised, or is not over


def ground_truth(function: Build, *, fused: bool = True) -> list[Called]:
    """All calls of a plain run, in the order in which they began; `fused=False` keeps torch from fusing any."""
    with at_home():
        torch.backends.mha.set_fastpath_enabled(fused)
        model, args, kwargs = build(function)
        paths = _paths(model)
        calls: list[Called] = []
        open_calls: list[tuple[nn.Module, int]] = []

        def began(module: nn.Module, args: Any) -> None:
            open_calls.append((module, len(calls)))
            calls.append(Called(paths.get(id(module)), None))

        def ended(module: nn.Module, args: Any, output: Any) -> None:
            while open_calls:
                opened, place = open_calls.pop()
                if opened is module:
                    calls[place] = calls[place]._replace(shapes=tuple(_shapes(output)))
                    return

        hooks = [
            nn.modules.module.register_module_forward_pre_hook(began),
            nn.modules.module.register_module_forward_hook(ended),
        ]
        try:
            (eager if hasattr(function, "eager") else plain)(model, *args, **kwargs)
        except BaseException:
            pass
        finally:
            for hook in hooks:
                hook.remove()
    return calls


def seen(trace: Any) -> list[Called]:
    """The same of a trace."""
    return [
        Called(None if "[" in call.path else call.path, None if call.outputs is None else call.output_shapes)
        for call in trace.calls
    ]


def _paths(model: nn.Module) -> dict[int, str]:
    """named_modules() of a hostile tree: by identity, without recursion, without asking any of them."""
    paths: dict[int, str] = {}
    waiting = [(model, "")]
    while waiting:
        module, path = waiting.pop()
        if module is None or id(module) in paths:
            continue
        paths[id(module)] = path
        children = object.__getattribute__(module, "__dict__").get("_modules", {})
        waiting += [(child, f"{path}.{name}" if path else name) for name, child in reversed(children.items())]
    return paths


def _size(tensor: torch.Tensor, axis: int) -> int:
    """-1 where rows differ in length."""
    try:
        size = tensor.size(axis)
    except RuntimeError:
        return -1
    return -1 if isinstance(size, torch.SymInt) else int(size)


def _shapes(value: Any, within: tuple[int, ...] = ()) -> Any:
    if issubclass(type(value), torch.Tensor):
        yield tuple(_size(value, axis) for axis in range(value.dim()))
        return
    if id(value) in within:
        return
    if issubclass(type(value), dict):
        children = list(dict.values(value))
    elif issubclass(type(value), list | tuple):
        children = list((list if issubclass(type(value), list) else tuple).__iter__(value))
    elif dataclasses.is_dataclass(type(value)):
        children = [getattr(value, each.name) for each in dataclasses.fields(value)]
    elif type(value) in _pytree.SUPPORTED_NODES:
        children = _pytree.SUPPORTED_NODES[type(value)].flatten_fn(value)[0]
    else:
        return
    for child in children:
        yield from _shapes(child, (*within, id(value)))
