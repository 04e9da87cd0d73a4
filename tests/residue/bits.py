"""Tensors as bytes: two of them are the same exactly when these are equal."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes


@contextmanager
def unobserved() -> Iterator[None]:
    """Neither the user's modes nor the recorder's see what the harness itself does."""
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        yield


def bits(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Type, shape, layout and every byte of a tensor."""
    kind = (type(tensor).__name__, str(tensor.dtype), str(tensor.layout), str(tensor.device))
    if isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin):
        return (*kind, "uninitialized")
    with torch.no_grad():
        return (*kind, *_contents(tensor))


def _contents(tensor: torch.Tensor) -> tuple[Any, ...]:
    if tensor.is_quantized:
        return tuple(tensor.shape), str(tensor.qscheme()), _bytes(tensor.int_repr())
    if tensor.is_nested:
        return tuple(_bytes(part) for part in tensor.unbind())
    if tensor.layout is torch.sparse_coo:
        return tuple(tensor.shape), _bytes(tensor._indices()), _bytes(tensor._values())
    if tensor.layout is not torch.strided:
        return tuple(tensor.shape), _bytes(tensor.to_dense())
    if tensor.is_meta or not tensor.untyped_storage().nbytes():
        return tuple(tensor.shape), tensor.stride()
    return tuple(tensor.shape), tensor.stride(), _bytes(tensor)


def _bytes(tensor: torch.Tensor) -> bytes:
    flat = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    return ctypes.string_at(flat.data_ptr(), flat.numel() * flat.element_size()) if flat.numel() else b""
