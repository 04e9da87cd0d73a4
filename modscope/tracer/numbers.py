"""The values of tensors, kept beside them and written back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor

from modscope.tracer.specs import PLAIN

_AS_WIDE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_SMALL = 1 << 16  # bytes
_USUAL = frozenset({torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool})
_COMPRESSED = frozenset({torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc})
_set_versions = torch._C._autograd._unsafe_set_version_counter
_facts: Any = attrgetter("shape", "dtype", "device", "layout", "_version")
_kind: Any = attrgetter("dtype", "device", "layout", "is_nested")
_strides: Any = torch._C.TensorBase.stride
_address: Any = torch._C.TensorBase.data_ptr
_in_one_piece: Any = torch._C._nn.flatten_dense_tensors


class Numbers(NamedTuple):
    """The values of one buffer or gradient, and the memory they were in."""

    what: int | str
    tensor: Tensor
    memory: Tensor
    room: int | None
    values: Tensor | None
    version: int | None

    @classmethod
    def of(cls, what: int | str, tensor: Tensor) -> Numbers:
        """As they are now."""
        memory = tensor.data  # the same memory, and no part of the graph
        values = _bits(memory).clone() if has_memory(memory) else None
        return cls(what, tensor, memory, _room(tensor), values, None if tensor.is_inference() else tensor._version)

    def put_back(self) -> None:
        """Mend the memory, then the values in it. The version counter is put back, too: a backward may be pending."""
        tensor, memory = self.tensor, self.memory
        if self.room is not None and self.room != _room(memory):
            _resize(memory.untyped_storage(), self.room)
        bits = _bits(memory)
        if self.values is not None and not _same(bits, self.values):
            # in one line: an interrupt at the end of a longer block would leave the mode as it is in there
            with torch.inference_mode(bits.is_inference()): _fill(bits, self.values)  # noqa: E701  # fmt: skip
        if tensor.is_inference() != memory.is_inference() or tensor.device != memory.device:
            torch._C._swap_tensor_impl(tensor, memory.data)  # another tensor was swapped in
        elif not _same_memory(tensor, memory):
            tensor.data = memory
        if self.version is not None and tensor._version != self.version:
            _set_versions((tensor,), (self.version,))


class _Small:
    """Several small tensors of one type: their values are copied and compared in one piece, for there may be many."""

    def __init__(self, whats: Sequence[int | str], tensors: Sequence[Tensor]) -> None:
        self._whats = whats
        self._tensors = tensors
        self._memories = [tensor.data for tensor in tensors]
        self._rooms = list(map(_room, tensors))
        self._before = self._standing()
        self._values = _in_one_piece(self._memories)

    def moved(self) -> list[Numbers]:
        """All of them if one is not as it was, else none."""
        try:
            if self._standing() == self._before and _same(_bits(_in_one_piece(self._memories)), _bits(self._values)):
                return []
        except RuntimeError:  # one is of another kind now
            pass
        shapes, versions = zip(*((shape, version) for shape, *_, version in self._before[0]), strict=True)
        pieces = self._values.split([shape.numel() for shape in shapes])
        values = [_bits(piece.view(shape)) for piece, shape in zip(pieces, shapes, strict=True)]
        return list(map(Numbers, self._whats, self._tensors, self._memories, self._rooms, values, versions))

    def _standing(self) -> tuple[list[Any], ...]:
        """What they are, and where; to read what has no memory any more would end the process."""
        tensors = self._tensors
        where = [*map(_address, tensors), *map(_address, self._memories)]
        return list(map(_facts, tensors)), list(map(_strides, tensors)), where


class Values:
    """The values of some buffers and gradients. `whats` is by id; `attempt` notes what cannot be read."""

    def __init__(
        self, owners: Sequence[Tensor], whats: Mapping[int, int | str], attempt: Callable[..., Numbers | None]
    ) -> None:
        self.owners = list(owners)
        self._small: list[_Small] = []
        kinds: dict[Any, list[Tensor]] = {}
        for tensor in owners:
            kinds.setdefault(_small_kind(tensor), []).append(tensor)
        single = kinds.pop(None, [])
        for tensors in kinds.values():
            if len(tensors) > 1:
                self._small.append(_Small([whats[id(tensor)] for tensor in tensors], tensors))
            else:
                single += tensors
        each = (attempt(whats[id(tensor)], Numbers.of, whats[id(tensor)], tensor) for tensor in single)
        self._single = [numbers for numbers in each if numbers is not None]

    def moved(self) -> list[Numbers]:
        """Those that may have to be put back."""
        return [*self._single, *(numbers for small in self._small for numbers in small.moved())]


def _small_kind(tensor: Tensor) -> tuple[torch.dtype, torch.device] | None:
    """The kind of a plain tensor that is small and has its values side by side; None for others."""
    if type(tensor) not in PLAIN or tensor.is_inference():
        return None
    dtype, device, layout, nested = _kind(tensor)
    if layout is not torch.strided or nested or dtype not in _USUAL or not tensor.is_contiguous() or tensor.is_neg():
        return None
    try:
        room, start, count = tensor.untyped_storage().nbytes(), tensor.storage_offset(), tensor.numel()
    except RuntimeError:  # it has no memory of its own, as under vmap
        return None
    size = count * dtype.itemsize
    return (dtype, device) if 0 < size <= _SMALL and room >= start * dtype.itemsize + size else None


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


def _resize(storage: torch.UntypedStorage, room: int) -> None:
    """Shared memory and what NumPy has seen stay too large: torch refuses to resize them, or ends the process."""
    if storage.resizable() and not (storage.device.type == "cpu" and storage.is_shared()):
        storage.resize_(room)
    elif storage.nbytes() < room:
        raise RuntimeError("its memory was let go, and cannot be resized any more")


def _fill(memory: Tensor, values: Tensor) -> None:
    if memory.layout in _COMPRESSED:  # another number of elements may be given in it now
        memory.resize_as_sparse_(values)
    elif type(memory) in PLAIN and memory.layout is torch.strided and not memory.is_nested:
        for axis, step in enumerate(memory.stride()):
            if step == 0:  # expanded: all along it are one number
                memory, values = memory.narrow(axis, 0, 1), values.narrow(axis, 0, 1)
    memory.copy_(values)


def _same_memory(a: Tensor, b: Tensor) -> bool:
    if a.layout is not torch.strided or b.layout is not torch.strided:  # what is in there nobody tells
        return type(a) not in PLAIN
    return (
        a.dtype is b.dtype
        and a.shape == b.shape
        and a.stride() == b.stride()
        and a.storage_offset() == b.storage_offset()
        and a.untyped_storage()._cdata == b.untyped_storage()._cdata
    )


def _bits(tensor: Tensor) -> Tensor:
    """The same memory as integers, for nan is unequal to itself and 0.0 equal to -0.0; itself where that cannot be."""
    if tensor.layout is not torch.strided or not tensor.is_floating_point() or tensor.is_neg():
        return tensor
    try:
        return tensor.view(_AS_WIDE[tensor.itemsize])
    except (RuntimeError, NotImplementedError, KeyError):
        return tensor


def _same(a: Tensor, b: Tensor) -> bool:
    """What cannot be compared counts as different."""
    try:
        return torch.equal(a, b)
    except (RuntimeError, NotImplementedError):
        return False
