"""Facts that are known only where a recording asked for them: gradients, numbers, who optimizes what."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from modscope.data import Gradient, ModuleInfo, Values
from modscope.tracer.modes import past_modes
from modscope.tracer.numbers import has_memory
from modscope.tracer.specs import is_lazy, read
from modscope.tracer.tree import Captured


@dataclass
class Figures:
    """By number of the captured tensor."""

    gradients: Mapping[int, Gradient] = field(default_factory=dict)
    values: Mapping[int, Values] = field(default_factory=dict)
    optimized: Mapping[int, bool] = field(default_factory=dict)

    def fill_in(self, modules: Iterable[ModuleInfo], captured: Captured) -> tuple[ModuleInfo, ...]:
        """The modules with these facts at their parameters and buffers."""
        if not (self.gradients or self.values or self.optimized):
            return tuple(modules)
        numbers = captured.numbers_by_name()
        return tuple(
            replace(
                module,
                parameters=tuple(
                    replace(
                        each,
                        gradient=self.gradients.get(number),
                        values=self.values.get(number),
                        optimized=self.optimized.get(number),
                    )
                    for each in module.parameters
                    for number in (numbers[each.tied_to or each.path],)
                ),
                buffers=tuple(
                    replace(each, values=self.values.get(numbers[each.tied_to or each.path])) for each in module.buffers
                ),
            )
            for module in modules
        )


def values_of(tensor: Tensor) -> Values | None:
    """The numbers in a tensor; None where there are none (fake, lazy, memory let go), or it keeps them to itself."""
    if is_lazy(tensor) or issubclass(type(tensor), FakeTensor) or read(tensor, "is_meta"):
        return None
    if read(tensor, "layout") is not torch.strided or read(tensor, "is_quantized"):
        return None
    try:
        return past_modes(_values_of, tensor.detach()) if past_modes(has_memory, tensor) else None
    except Exception:  # a tensor of the user's own kind
        return None


def _values_of(plain: Tensor) -> Values:
    # a copy: memory that was once lent to NumPy can never be resized
    bits = plain.clone(memory_format=torch.contiguous_format).cpu().flatten().view(torch.uint8).numpy()
    digest = hashlib.sha256(bits.tobytes()).hexdigest()[:16]
    if plain.numel() == 0 or plain.is_complex():
        return Values(None, None, bool(plain.isfinite().all()), digest)
    wide = plain.double() if plain.is_floating_point() or plain.dtype is torch.uint64 else plain.long()
    finite = bool(wide.isfinite().all())
    numbers = wide if finite else wide[~wide.isnan()]  # nan is unequal to itself: two such traces would be different
    if numbers.numel() == 0:
        return Values(None, None, finite, digest)
    return Values(float(numbers.min()), float(numbers.max()), finite, digest)
