"""The most that can be seen of a model here: a real run, else one without numbers, else what is registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from modscope.data import ModuleTree, Trace
from modscope.tracer.fakes import CannotBeFake, NeedsData, fake
from modscope.tracer.tracing import trace, trace_with_costs
from modscope.tracer.tree import inspect

_NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")


@dataclass(frozen=True, slots=True)
class Seen:
    """`what.origin` says which of the three it is: "real", "fake" or "static"."""

    what: Trace | ModuleTree
    reasons: tuple[str, ...]  # why it is not a better one, in the order of trying


def see(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, costs: bool = False) -> Seen:
    """Trace for real; where the memory does not suffice or there are no numbers, under `fake()`; else the tree alone.

    Any other exception of the forward passes through unchanged, as `trace()` lets it.
    """
    run: Callable[[], Trace] = (
        (lambda: trace_with_costs(model, args, kwargs)) if costs else (lambda: trace(model, *args, **kwargs))
    )
    tree = inspect(model)
    reasons = []
    if tree.origin == "real":
        try:
            return Seen(run(), ())
        except (MemoryError, RuntimeError) as error:
            if not no_memory(error):
                raise
            reasons.append(f"a real run needs more memory than there is ({type(error).__name__})")
    else:
        reasons.append("its parameters hold no numbers: they are fake, or on the meta device")
    try:
        with fake():
            return Seen(run(), tuple(reasons))
    except (NeedsData, CannotBeFake) as error:
        reasons.append(str(error))
    return Seen(ModuleTree(tree.modules, "static"), tuple(reasons))


def no_memory(error: BaseException) -> bool:
    """Whether it says that the memory does not suffice."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(text in str(error) for text in _NO_MEMORY)
