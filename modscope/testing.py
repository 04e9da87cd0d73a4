"""Assertions on models, for any test runner: each raises AssertionError with a message that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modscope import api
from modscope.text import line, visible

if TYPE_CHECKING:
    from torch import nn

    from modscope.data import Hidden

__all__ = ["assert_no_unregistered_modules"]

REMEDIES = {"list": "nn.ModuleList", "tuple": "nn.ModuleList", "set": "nn.ModuleList", "dict": "nn.ModuleDict"}


def assert_no_unregistered_modules(model: nn.Module) -> None:
    """No module sits in a plain list, dict, tuple, set or object of the model, where `named_modules()` misses it.

    Nothing is run. Raises AssertionError that names every such module, what holds it, how many parameters are lost
    with it, and what to use instead.
    """
    __tracebackhide__ = True  # pytest then shows the test's own line
    hidden = [each for module in api.inspect(model).modules for each in module.hidden if each.kind == "module"]
    if hidden:
        lost = sum(each.params for each in hidden)
        raise AssertionError(
            f"{visible(type(model).__name__)} has {len(hidden)} unregistered module{'' if len(hidden) == 1 else 's'} "
            f"with {lost:,} parameters, which parameters(), state_dict(), to() and train() miss:\n"
            + "\n".join(map(_line, hidden))
        )


def _line(hidden: Hidden) -> str:
    remedy = REMEDIES.get(hidden.container)
    advice = f"use {remedy}" if remedy else f"make {hidden.container} an nn.Module"
    return line(f"  {hidden.path}: {hidden.type} in a {hidden.container}, {hidden.params:,} parameters; {advice}")
