"""Functions of ours that torch's compiler leaves alone, with all that they run, where compiled code of the user's calls
them: it would take what they note for part of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

_Function = TypeVar("_Function", bound=Callable[..., Any])
_frames: Any = torch._C._dynamo.eval_frame


def uncompiled(function: _Function) -> _Function:
    """The function itself: its frames are marked as the compiler marks those that it skips."""
    marked: Any = function
    marked._torchdynamo_disable = True  # no look into it from outside
    if hasattr(_frames, "set_code_exec_strategy"):
        skip = _frames._FrameAction.SKIP
        _frames.set_code_exec_strategy(marked.__code__, _frames._FrameExecStrategy(skip, skip))
    return function
