"""The stack of torch function modes of this thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def function_modes() -> list[Any]:
    """All of them, the innermost last."""
    return [torch._C._get_function_stack_at(place) for place in range(torch._C._len_torch_function_stack())]


def set_function_modes(modes: Sequence[Any]) -> None:
    """Have these, and no others."""
    while torch._C._len_torch_function_stack():
        torch._C._pop_torch_function_stack()
    for mode in modes:
        torch._C._push_on_torch_function_stack(mode)


def remove(mode: Any) -> None:
    """Take one off the stack, wherever it is by now; harmless where it is not."""
    before = function_modes()
    after = [each for each in before if each is not mode]
    if len(after) != len(before):
        set_function_modes(after)
