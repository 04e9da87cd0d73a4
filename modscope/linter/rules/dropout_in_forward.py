"""`nn.Dropout(p)(x)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.calls import argument
from modscope.linter.candidate import Candidate
from modscope.linter.facts import dotted
from modscope.linter.fresh import calls_of_fresh
from modscope.linter.modes import asks_for_mode
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule

_FUNCTIONS = {
    "torch.nn.Dropout": "dropout",
    "torch.nn.Dropout1d": "dropout1d",
    "torch.nn.Dropout2d": "dropout2d",
    "torch.nn.Dropout3d": "dropout3d",
    "torch.nn.AlphaDropout": "alpha_dropout",
    "torch.nn.FeatureAlphaDropout": "feature_alpha_dropout",
}
_LAST_NAMES = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d")


def _makes_dropout(candidate: Candidate) -> bool:
    """Whether another method than `__init__` makes one."""
    return any(
        (written := dotted(call.func) or "").endswith(_LAST_NAMES)
        and (candidate.imports or candidate.resolve(written) in _FUNCTIONS)
        for call in candidate.nodes_outside_init(ast.Call)
    )


@rule(fix="unsafe", words=("Dropout(", "Dropout1d(", "Dropout2d(", "Dropout3d("), trigger=_makes_dropout)
def dropout_in_forward(module: ModuleClass) -> Iterator[Match]:
    """A Dropout that is made where it is called is always in training mode: predictions stay random after `eval()`.

    A fresh module is in training mode, and this one is no child that `eval()` could switch.

    Bad:
        class Net(nn.Module):
            def forward(self, x):
                return nn.Dropout(0.5)(x)

    Good:
        class Net(nn.Module):
            def forward(self, x):
                return F.dropout(x, 0.5, training=self.training)

    Run time: two calls of `Net().eval()` on the same input differ.

    Not reported: a Dropout that is kept, handed on, or whose mode is set; methods that ask for the mode themselves
    (`if self.training:`).

    Fix: unsafe. It calls the function with `training=self.training`, which changes what the model predicts.
    """
    for made in module.nodes(cst.Call):
        method = module.method_of(made)
        if module.name_of(made.func) not in _FUNCTIONS or method is None or method in module.init:
            continue
        own = module.self_name(method)
        for call in calls_of_fresh(module, made) if own else ():
            if asks_for_mode(module, call):
                continue
            mended = _functional(call, made, own or "", module) if call.func is made else None
            yield Match(
                call,
                f"`{module.code(made)}` is always in training mode: it drops values after `eval()` too",
                replacement=mended,
                no_fix=None if mended else "it is not written as `nn.Dropout(p)(x)`, or nothing imports its function",
            )


def _functional(call: cst.Call, made: cst.Call, own: str, module: ModuleClass) -> str | None:
    function = module.spell(f"torch.nn.functional.{_FUNCTIONS[module.name_of(made.func) or '']}")
    match call.args:
        case [cst.Arg(value=x, keyword=None, star="")] if function and argument(made, "inplace", 1) is None:
            p = argument(made, "p", 0)
            return f"{function}({module.code(x)}, {module.code(p) if p else 0.5}, training={own}.training)"
    return None
