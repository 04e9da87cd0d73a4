"""A tensor -> TensorSpec, whatever kind of tensor it is. Nothing is computed and no tensor is kept."""

from __future__ import annotations

from functools import cache
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter

from modscope.data import Shape, TensorSpec
from modscope.tracer.modes import past_functions

Facts = tuple[Any, ...]

PLAIN = frozenset({Tensor, Parameter})  # no subclass: reading their attributes runs nobody's code
# What a plain tensor is, read in one go; `plain_spec` makes the record of it later.
_FACTS = ("shape", "dtype", "device", "layout", "requires_grad")
facts: Any = attrgetter(*_FACTS)
_numel = torch._C.TensorBase.numel
read = object.__getattribute__  # a tensor of the user's kind may refuse to be asked


def is_lazy(tensor: Any) -> bool:
    """As torch's, which asks the tensor itself."""
    return issubclass(type(tensor), (UninitializedParameter, UninitializedBuffer))


def is_parameter(tensor: Tensor) -> bool:
    """Whether it counts as a Parameter, which a tensor may say of itself."""
    try:
        return isinstance(tensor, Parameter)
    except Exception:
        return issubclass(type(tensor), Parameter)


def spec(tensor: Tensor) -> TensorSpec:
    """What a tensor is. A lazy parameter has the shape (), as nothing is known of it yet."""
    return past_functions(_spec_of, tensor)


def _spec_of(tensor: Tensor) -> TensorSpec:
    if is_lazy(tensor) and not _numel(tensor):  # while it materialises it has a shape, and is lazy still
        return TensorSpec((), name(tensor.dtype), str(tensor.device), tensor.requires_grad)
    if read(tensor, "is_nested"):
        return _nested_spec(tensor)
    try:
        whole = facts(tensor)
    except Exception:
        return plain_spec(tuple(getattr(torch._C.TensorBase, each).__get__(tensor) for each in _FACTS))
    local = getattr(tensor, "_local_tensor", None)
    if isinstance(local, Tensor) and hasattr(tensor, "placements"):
        return _distributed_spec(whole, local, tensor.placements)
    return plain_spec(whole)


def plain_spec(seen: Facts) -> TensorSpec:
    """The record of what `facts` read."""
    shape, dtype, device, layout, requires_grad = seen
    sizes = _sizes(shape)
    return _spec(sizes, dtype, device, layout, requires_grad)


@cache
def name(thing: torch.dtype | torch.layout) -> str:
    """Its name without `torch.`: "float32", "sparse_coo"."""
    return str(thing).removeprefix("torch.")


@cache
def _device(device: torch.device) -> str:
    return str(device)


def _spec(
    shape: Shape, dtype: torch.dtype, device: torch.device, layout: torch.layout, requires_grad: bool
) -> TensorSpec:
    count = dtype.itemsize
    for size in shape:
        count *= size
    return TensorSpec(shape, name(dtype), _device(device), requires_grad, count, name(layout))


def _sizes(shape: Any) -> Shape:
    return tuple(size if type(size) is int else number(size) for size in shape)


def number(size: Any) -> int:
    """A plain int. A symbolic size (dynamic shapes) takes the number it stands for, -1 where there is none."""
    if type(size) is int:
        return size
    hint = getattr(getattr(size, "node", None), "hint", None)
    return hint if isinstance(hint, int) else -1


def _nested_spec(tensor: Tensor) -> TensorSpec:
    """The ragged sizes of a nested tensor are -1; its bytes are those of all its values."""
    sizes = []
    for dimension in range(tensor.dim()):
        try:
            size = tensor.size(dimension)
        except RuntimeError:  # strided nested tensors refuse a ragged size
            size = -1
        sizes.append(size if type(size) is int else -1)
    values: Any = getattr(tensor, "_values", None) if tensor.layout is torch.jagged else tensor.values()
    return TensorSpec(
        tuple(sizes),
        name(tensor.dtype),
        str(tensor.device),
        tensor.requires_grad,
        values.numel() * tensor.dtype.itemsize,
        "nested" if tensor.layout is torch.strided else name(tensor.layout),
    )


def _distributed_spec(whole: Facts, local: Tensor, placements: Any) -> TensorSpec:
    shape, dtype, device, layout, requires_grad = whole
    sizes = _sizes(local.shape)
    here = _spec(sizes, dtype, device, layout, requires_grad)
    return TensorSpec(
        here.shape,
        here.dtype,
        here.device,
        here.requires_grad,
        here.nbytes,
        here.layout,
        global_shape=_sizes(shape),
        placements=tuple(map(str, placements)),
    )
