"""Functions with a backward of their own (`torch.autograd.Function`): what they give requires gradients.

It does so afterwards: what runs in their forward runs without gradients, and is written down so.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import _SingleLevelFunction

from modscope.tracer import calls
from modscope.tracer.shared import Replaced

_apply: Any = vars(torch._C._FunctionBase)["apply"]


def _watched_apply(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
    output = _apply.__get__(None, cls)(*args, **kwargs)
    for watch in calls.watches_here():
        watch.became_differentiable(output)
    return output


# what `Function.apply` comes down to, also where it was bound before: `relu = MyRelu.apply`
differentiable = Replaced(_SingleLevelFunction, "apply", classmethod(_watched_apply))
