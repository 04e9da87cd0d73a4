"""What runs below Python, in the same pass as the torch functions that Python runs.

A kernel belongs to the torch function it runs for, and is written down only where there is none to be seen: in
TorchScript, in C++, and under the transforms of `torch.func`, where Python handles wrappers around the real tensors.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch._C._functorch import maybe_current_level

from modscope.tracer.modes import past_functions
from modscope.tracer.ops import Functions, Kernels, OpLog
from modscope.tracer.uncompiled import uncompiled


class LooseKernels(Kernels):  # type: ignore[no-untyped-call]
    """Kernels that run for no torch function."""

    def __init__(self, log: OpLog) -> None:
        super().__init__(log)
        self.covered = False  # by a torch function that is written down

    @uncompiled
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.covered:
            return past_functions(partial(func, **(kwargs or {})), *args)
        return super().__torch_dispatch__(func, types, args, kwargs)


class AllFunctions(Functions):
    """Torch functions, and the kernels that run for none of them."""

    def __init__(self, log: OpLog) -> None:
        super().__init__(log)
        self.kernels = LooseKernels(log)

    @uncompiled
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if maybe_current_level() is not None:
            return func(*args, **(kwargs or {}))
        outside = self.kernels.covered
        self.kernels.covered = True
        try:
            return super().__torch_function__(func, types, args, kwargs)
        finally:
            self.kernels.covered = outside
