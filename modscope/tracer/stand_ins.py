"""What stands in for tensors on the meta device while a model runs under `fake()`: fake tensors on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from modscope.tracer import specs
from modscope.tracer.looking import storage_of
from modscope.tracer.modes import past_modes
from modscope.tracer.tree import active_fake_mode, capture


class StandIns:
    """Fake tensors on the CPU in the place of those on the meta device, while a model runs under `fake()`.

    Nothing is replaced outside of `fake()`, nor where nothing is on the meta device.
    """

    def __init__(self) -> None:
        self._before: list[tuple[dict[str, Any], str, Tensor]] = []
        self._made: dict[int, Tensor] = {}  # by id of the tensor replaced: ties are kept
        self._memories: dict[int, torch.UntypedStorage] = {}  # by address of what they stand for

    def take(self, model: nn.Module, inputs: Any) -> Any:
        """Replace what the model holds; gives the inputs, with theirs replaced."""
        mode = active_fake_mode()
        if mode is None:
            return inputs
        for module in capture(model).alive_modules:
            own = object.__getattribute__(module, "__dict__")
            for space in (own.get("_parameters"), own.get("_buffers"), own):
                for name, tensor in list(space.items()) if isinstance(space, dict) else ():
                    if is_meta(tensor):
                        self._before.append((space, name, tensor))
                        space[name] = self._stand_in(tensor, mode)
        if not any(map(is_meta, tree_leaves(inputs))):
            return inputs
        return tree_map(lambda leaf: self._stand_in(leaf, mode) if is_meta(leaf) else leaf, inputs)

    def put_back(self) -> None:
        """May be interrupted, and called again."""
        for space, name, tensor in self._before:
            made = self._made[id(tensor)]
            if specs.is_lazy(tensor) and not specs.is_lazy(made):  # what has become whole stays so
                past_modes(tensor.materialize, made.shape, None, made.dtype)  # type: ignore[attr-defined]
            space[name] = tensor

    def _stand_in(self, tensor: Tensor, mode: FakeTensorMode) -> Tensor:
        if id(tensor) not in self._made and specs.is_lazy(tensor):
            lazy: Any = type(tensor)
            self._made[id(tensor)] = lazy(tensor.requires_grad, device="cpu", dtype=tensor.dtype)
        elif id(tensor) not in self._made:
            made: Tensor = stand_in(tensor, mode, self._image(tensor))
            if isinstance(tensor, nn.Parameter):
                made = nn.Parameter(made, tensor.requires_grad)
            self._made[id(tensor)] = made.requires_grad_(tensor.requires_grad)
        return self._made[id(tensor)]

    def _image(self, tensor: Tensor) -> torch.UntypedStorage | None:
        """What the stand-ins of all tensors of one memory share."""
        memory = storage_of(tensor)
        if memory is None:
            return None
        if memory._cdata not in self._memories:
            image = torch.UntypedStorage(memory.nbytes(), device="meta")  # type: ignore[no-untyped-call]
            self._memories[memory._cdata] = image
        return self._memories[memory._cdata]


def stand_in(tensor: Tensor, mode: FakeTensorMode, memory: torch.UntypedStorage | None = None) -> FakeTensor:
    """A fake tensor on the CPU for one on the meta device; `memory` is what it shares with others."""
    shape, strides = tensor.shape, tensor.stride()
    with _disable_current_modes():
        if memory is None:
            made = torch.empty_strided(shape, strides, dtype=tensor.dtype, device="meta")
        else:
            made = torch.empty(0, dtype=tensor.dtype, device="meta")
            made.set_(memory, tensor.storage_offset(), shape, strides)
    return FakeTensor(mode, made, torch.device("cpu"))


def is_meta(leaf: Any) -> bool:
    """Whether it is a tensor, or a piece of memory, on the meta device."""
    return isinstance(leaf, (Tensor, torch.UntypedStorage)) and leaf.device.type == "meta"
