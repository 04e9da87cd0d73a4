"""Functions with a backward of their own (`torch.autograd.Function`): what they give requires gradients.

It does so afterwards: what runs in their forward runs without gradients, and is written down so.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import _SingleLevelFunction

from modscope.tracer import calls
from modscope.tracer.shared import Shared

# What `Function.apply` comes down to, also where it was bound before: `relu = MyRelu.apply`.
_class: Any = _SingleLevelFunction
_apply: Any = vars(torch._C._FunctionBase)["apply"]


def _watched_apply(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
    output = _apply.__get__(None, cls)(*args, **kwargs)
    for watch in calls.watches_here():
        watch.became_differentiable(output)
    return output


def _replace() -> None:
    _class.apply = classmethod(_watched_apply)


def _put_back(before: Any) -> None:
    if before is not None:
        _class.apply = before
    elif "apply" in vars(_class):
        del _class.apply


differentiable = Shared(lambda: vars(_class).get("apply"), _replace, _put_back)
