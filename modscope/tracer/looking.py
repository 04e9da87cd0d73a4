"""Asking a tensor for its facts and its memory, while modes are on that would see us ask."""

from __future__ import annotations

from typing import Any, Generic, TypeVar
from weakref import ref as weak

import torch
from torch import Tensor
from torch._C._functorch import get_unwrapped, is_batchedtensor, is_functorch_wrapped_tensor
from torch.utils.weak import WeakIdKeyDictionary

from modscope.tracer import specs
from modscope.tracer.modes import past_functions, past_tracing
from modscope.tracer.struck import heed

_storage_of = torch._C.TensorBase.untyped_storage
_tracing_state = torch._C._get_tracing_state
_plain_facts = specs.facts
_others = torch._C._len_torch_function_stack  # modes that would see us read; while ours handles an op, it is off
_PLAIN = specs.PLAIN
_What = TypeVar("_What")
_originals: Any = WeakIdKeyDictionary()  # of memory without numbers: the memory it stands for
_users = torch._C._storage_Use_Count
_ALONE = 2  # users of a piece of memory: one tensor, and the storage by which we ask


def facts_of(tensor: Tensor) -> Any:
    """What `specs` makes a record of later, or the record."""
    if _tracing_state() is not None:
        return past_tracing(specs.spec, tensor)
    if type(tensor) in _PLAIN:
        try:
            return past_functions(_plain_facts, tensor) if _others() else _plain_facts(tensor)
        except RuntimeError:  # nested tensors have no shape
            pass
    return specs.spec(tensor)


def is_batched(tensor: Tensor) -> bool:
    """Whether vmap runs around this, maybe with a gradient inside of it."""
    while is_functorch_wrapped_tensor(tensor):
        if is_batchedtensor(tensor):
            return True
        tensor = get_unwrapped(tensor)
    return False


def storage_of(tensor: Tensor) -> Any:
    """The memory of a tensor; None where it has none."""
    try:
        return past_functions(_storage_of, tensor) if _others() else _storage_of(tensor)
    except Exception as error:  # nested, sparse, batched and lazy tensors have none, and say so in many ways
        heed(error)
        return None


def has_others(storage: Any) -> bool:
    """Whether more than one tensor uses a piece of memory."""
    return bool(_users(storage._cdata) > _ALONE)


def note_original(made: Tensor, of: Tensor) -> None:
    """A tensor without numbers was made in the place of another: so is its memory in the place of that one's."""
    memory, original = storage_of(made), storage_of(of)
    if memory is not None and original is not None:
        _originals[memory] = weak(original)


def original_of(storage: Any) -> Any:
    """The memory that one without numbers stands for; None: it stands for itself."""
    original = _originals.get(storage)
    return None if original is None else original()


class Lent(Generic[_What]):
    """Memory that Python was handed, and may come back as that of another tensor; `_What` tells of it."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, _What]] = {}  # by where the numbers begin

    def lend(self, storage: Any, what: _What) -> None:
        """It is handed out now."""
        if address := _address_of(storage):
            self._known[address] = weak(storage), what

    def find(self, storage: Any) -> _What | None:
        """What was told of this memory; None where it was not handed out."""
        address = _address_of(storage) if self._known else 0
        for start, (alive, what) in self._known.items():
            memory = alive() if start <= address else None
            if memory is not None and address < start + memory.nbytes():
                return what
        return None

    def clear(self) -> None:
        """Forget it."""
        self._known.clear()


def _address_of(storage: Any) -> int:
    """Where the numbers begin; 0 where there are none."""
    try:
        return 0 if storage.device.type == "meta" else int(storage.data_ptr())  # so is that of a fake tensor
    except RuntimeError:  # what DLPack makes of a fake tensor
        return 0
