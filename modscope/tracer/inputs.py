"""Inputs made from a shape: normal noise, zeros for whole numbers and truth values, always the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modscope.errors import ModscopeError


def make_input(shape: Sequence[int], dtype: str | torch.dtype | None = None, like: nn.Module | None = None) -> Tensor:
    """A tensor of this shape: standard normal noise from a generator of its own, zeros for integers and bool.

    `dtype` is a torch dtype or its name ("int64"); without one, and for the device, the first floating parameter
    of `like` decides. Raises ModscopeError for an unknown dtype.
    """
    model_parameters: Iterable[Tensor] = () if like is None else like.parameters()
    model = next((p for p in model_parameters if p.is_floating_point()), torch.empty(0))
    kind = model.dtype if dtype is None else _dtype(dtype)
    if not (kind.is_floating_point or kind.is_complex):
        return torch.zeros(tuple(shape), dtype=kind, device=model.device)
    generator = torch.Generator().manual_seed(0)  # the caller's random numbers stay untouched
    noise = torch.randn(tuple(shape), generator=generator, dtype=torch.float32, device="cpu")
    return noise.to(device=model.device, dtype=kind)


def inputs_of_size(model: nn.Module, sizes: Iterable[Any]) -> tuple[Tensor, ...]:
    """One input per shape; `sizes` is one shape, (1, 3, 224, 224), or several."""
    shapes = tuple(sizes) if isinstance(sizes, Iterable) else (sizes,)
    if all(isinstance(size, int) for size in shapes):
        shapes = (shapes,)
    for shape in shapes:
        if not (isinstance(shape, Sequence) and all(isinstance(size, int) and size >= 0 for size in shape)):
            raise ModscopeError(f"input_size holds {shape!r}; a shape is a tuple of sizes, such as (1, 3, 224, 224)")
    return tuple(make_input(shape, like=model) for shape in shapes)


def _dtype(name: str | torch.dtype) -> torch.dtype:
    found = name if isinstance(name, torch.dtype) else getattr(torch, name, None)
    if isinstance(found, torch.dtype):
        return found
    known = sorted(key for key, value in vars(torch).items() if isinstance(value, torch.dtype))
    raise ModscopeError(f"no dtype {name!r}; torch knows {', '.join(known)}")
