"""What a model did, seen without modscope: by torch's own global hooks and pytrees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._pytree import tree_leaves

Shapes = tuple[tuple[int, ...], ...]


@dataclass
class Seen:
    """One call."""

    path: str
    inputs: Shapes = ()
    outputs: Shapes = ()


@dataclass
class Truth:
    """One plain run."""

    output: list[Tensor]
    calls: list[Seen] = field(default_factory=list)


def run_plainly(model: nn.Module, inputs: dict[str, Any], seed: int) -> list[Tensor]:
    """The tensors in the output."""
    torch.manual_seed(seed)
    return tensors(model(**inputs))


def run_watched(model: nn.Module, inputs: dict[str, Any], seed: int) -> Truth:
    """The output, and every call of every module in the order they began."""
    paths = {id(module): path for path, module in model.named_modules()}
    truth, stack = Truth([]), list[Seen]()

    def before(module: nn.Module, args: Any) -> None:
        seen = Seen(paths.get(id(module), f"?{type(module).__name__}"))
        truth.calls.append(seen)
        stack.append(seen)

    def after(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        seen = stack.pop()
        seen.inputs = shapes((args, kwargs))
        seen.outputs = shapes(output)

    hooks = [register_module_forward_pre_hook(before), register_module_forward_hook(after, with_kwargs=True)]
    try:
        truth.output = run_plainly(model, inputs, seed)
    finally:
        for hook in hooks:
            hook.remove()
    return truth


def tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def shapes(value: Any) -> Shapes:
    return tuple(tuple(tensor.shape) for tensor in tensors(value))


def same_bits(one: list[Tensor], other: list[Tensor]) -> bool:
    """Also equal where both are nan."""
    return len(one) == len(other) and all(
        a.dtype == b.dtype
        and a.shape == b.shape
        and torch.equal(a.nan_to_num(), b.nan_to_num())
        and torch.equal(a.isnan(), b.isnan())
        for a, b in zip(one, other, strict=True)
    )
