"""The values of tensors, kept beside them and written back."""

from __future__ import annotations

import torch
from torch import Tensor

from modscope.tracer.specs import PLAIN

_AS_WIDE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_set_versions = torch._C._autograd._unsafe_set_version_counter


class Numbers:
    """The values of one buffer or gradient, and the memory they were in."""

    def __init__(self, tensor: Tensor, what: int | str) -> None:
        self.what = what
        self._tensor = tensor
        self._memory = tensor.data  # the same memory, and no part of the graph
        self._room = _room(tensor)
        self._bits = _bits(self._memory)
        self._values = self._bits.clone() if has_memory(self._memory) else None
        self._version = None if tensor.is_inference() else tensor._version

    def put_back(self) -> None:
        """Mend the memory, then the values in it. The version counter is put back, too: a backward may be pending."""
        tensor = self._tensor
        if tensor.is_inference() != self._memory.is_inference() or tensor.device != self._memory.device:
            torch._C._swap_tensor_impl(tensor, self._memory.data)  # another tensor was swapped in
        elif not _same_memory(tensor, self._memory):
            tensor.data = self._memory
        if self._room is not None and self._room != _room(self._memory):
            self._memory.untyped_storage().resize_(self._room)
        if self._values is not None and not _same(self._bits, self._values):
            # in one line: an interrupt at the end of a longer block would leave the mode as it is in there
            with torch.inference_mode(self._bits.is_inference()): self._bits.copy_(self._values)  # noqa: E701  # fmt: skip
        if self._version is not None and tensor._version != self._version:
            _set_versions((tensor,), (self._version,))


def has_memory(tensor: Tensor) -> bool:
    """Whether there is memory behind all of a tensor's elements: to read what was let go ends the process."""
    if tensor.layout is not torch.strided or tensor.is_nested or tensor.numel() == 0:
        return True
    try:
        last = tensor.storage_offset() + sum(
            (size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True)
        )
        return tensor.untyped_storage().nbytes() >= (last + 1) * tensor.itemsize
    except (RuntimeError, NotImplementedError):  # of the user's kind: what they do is theirs
        return True


def _room(tensor: Tensor) -> int | None:
    """The bytes of a plain tensor's memory: there may be none, where somebody has let it go for the time being."""
    if type(tensor) not in PLAIN or tensor.layout is not torch.strided or tensor.is_nested:
        return None
    return tensor.untyped_storage().nbytes()


def _same_memory(a: Tensor, b: Tensor) -> bool:
    if a.layout is not torch.strided or b.layout is not torch.strided:
        return True
    return (
        a.dtype is b.dtype
        and a.shape == b.shape
        and a.stride() == b.stride()
        and a.storage_offset() == b.storage_offset()
        and a.untyped_storage()._cdata == b.untyped_storage()._cdata
    )


def _bits(tensor: Tensor) -> Tensor:
    """The same memory as integers, for nan is unequal to itself and 0.0 equal to -0.0; itself where that cannot be."""
    try:
        return tensor.view(_AS_WIDE[tensor.itemsize]) if tensor.is_floating_point() else tensor
    except (RuntimeError, NotImplementedError, KeyError):
        return tensor


def _same(a: Tensor, b: Tensor) -> bool:
    """What cannot be compared counts as different."""
    try:
        return torch.equal(a, b)
    except (RuntimeError, NotImplementedError):
        return False
