"""What torch.compile made runs eagerly while it is watched: dynamo would trace into the recorder.

What was compiled already stays so, and nothing is compiled that was not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from modscope.tracer.shared import Shared


def _dynamo() -> Any:
    """torch's compiler, where anything has loaded it."""
    return sys.modules.get("torch._dynamo.eval_frame")


def _force_eager() -> None:
    if dynamo := _dynamo():
        dynamo._stance = dynamo.DynamoStance("force_eager")


def _compile_again(before: Any) -> None:
    if before is not None:
        _dynamo()._stance = before


compiler = Shared(lambda: getattr(_dynamo(), "_stance", None), _force_eager, _compile_again)


def compiled(modules: Iterable[nn.Module], first: int = 0) -> Iterator[tuple[int, bool]]:
    """Which of these modules were compiled, counted from `first`, and whether in place (`module.compile()`)."""
    if dynamo := _dynamo():
        for number, module in enumerate(modules, first):
            in_place = object.__getattribute__(module, "__dict__").get("_compiled_call_impl") is not None
            if in_place or issubclass(type(module), dynamo.OptimizedModule):
                yield number, in_place
