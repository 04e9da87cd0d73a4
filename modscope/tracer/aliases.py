"""Ways to have the memory of another tensor that torch shows to no function mode: `nn.Parameter(tensor)`,
`tensor.as_subclass(...)`, and `set_`, which `copy.copy(tensor)` comes down to.

`Tensor._make_subclass` stays as it is: torch's compiler looks for that very function when it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from modscope.tracer import calls
from modscope.tracer.modes import past_functions, past_modes
from modscope.tracer.shared import Replaced

_set: Callable[..., Tensor] = Tensor.set_


def _watched_new(cls: type, data: Any = None, *args: Any, **kwargs: Any) -> Tensor:
    if type(data) is FakeTensor:  # torch runs functions of it, which it does not of other tensors
        return _shared(data, past_functions(partial(_new.original, **kwargs), cls, data, *args))
    return _shared(data, _new.original(cls, data, *args, **kwargs))


def _watched_as_subclass(self: Tensor, /, *args: Any, **kwargs: Any) -> Tensor:
    return _shared(self, _as_subclass.original(self, *args, **kwargs))


def _shared(given: Any, made: Tensor) -> Tensor:
    if isinstance(given, Tensor):
        for watch in calls.watches_here():
            watch.shared_unseen(given, made)
    return made


def _watched_set(self: Tensor, /, *args: Any, **kwargs: Any) -> Tensor:
    begun = [
        (watch, pending)
        for watch in calls.watches_here()
        if (pending := watch.begin_unseen(_set, (self, *map(_bytes, args)), kwargs)) is not None
    ]
    output: Tensor = _replaced_set.original(self, *args, **kwargs)
    for watch, pending in begun:
        watch.finish_unseen(pending, output)
    return output


def _bytes(argument: Any) -> Any:
    """A tensor of the same memory for a storage, anything else as it is."""
    if isinstance(argument, torch.TypedStorage):
        argument = argument._untyped_storage
    if not isinstance(argument, torch.UntypedStorage):
        return argument
    try:
        return past_modes(_bytes_of, argument)
    except RuntimeError:  # its size is a symbol
        return argument


def _bytes_of(storage: torch.UntypedStorage) -> Tensor:
    return _set(torch.empty(0, dtype=torch.uint8, device=storage.device), storage)


_new = Replaced(nn.Parameter, "__new__", staticmethod(_watched_new))
_as_subclass = Replaced(Tensor, "as_subclass", _watched_as_subclass)
_replaced_set = Replaced(Tensor, "set_", _watched_set)
ways = (_new, _as_subclass, _replaced_set)
