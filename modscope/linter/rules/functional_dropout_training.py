"""`F.dropout(x)` without `training=`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.calls import argument, spreads
from modscope.linter.modes import asks_for_mode
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, Replace, rule

_ALWAYS_ON = frozenset(f"torch.nn.functional.{name}" for name in ("dropout", "dropout1d", "dropout2d", "dropout3d"))
# dropout that stays on: Tacotron's prenets, Monte Carlo dropout
_MEANT = re.compile(r"(?i)prenet|bayes|monte_?carlo|(?-i:MC[A-Z_]|MC$)")
_P, _TRAINING = 1, 2  # positions


@rule(
    fix="unsafe",
    words=("dropout(", "dropout1d(", "dropout2d(", "dropout3d("),
    trigger=r"(?<!self\.)\bdropout[123]?d?\s*\((?![^()]*\btraining\s*=)",
)
def functional_dropout_training(module: ModuleClass) -> Iterator[Match]:
    """`F.dropout` without `training=` stays on after `eval()`: predictions are random.

    The function does not know the module it is called in; its `training` is True by default.

    Bad:
        class Net(nn.Module):
            def forward(self, x):
                return F.dropout(x, 0.5)

    Good:
        class Net(nn.Module):
            def forward(self, x):
                return F.dropout(x, 0.5, training=self.training)

    Run time: two calls of `Net().eval()` on the same input differ.

    Not reported: methods that ask for the mode themselves (`if self.training:`), static methods, calls that pass
    `*args` or `**kwargs`, a literal `p` of 0, a `p` that the caller of the method decides on, classes whose names say
    that it is meant (Tacotron's prenet, Monte Carlo dropout).

    Fix: unsafe. It adds `training=self.training`, which changes what the model predicts. Dropout that is meant to stay
    on (Monte Carlo dropout) should say `training=True`.
    """
    if _MEANT.search(module.name):
        return
    for call in module.nodes(cst.Call):
        if module.name_of(call.func) not in _ALWAYS_ON or spreads(call) or not call.args:
            continue
        method = module.method_of(call)
        own = module.self_name(method) if method else None
        if argument(call, "training", _TRAINING) is not None or own is None or asks_for_mode(module, call):
            continue
        p = argument(call, "p", _P)
        if p is not None and (module.code(p) in ("0", "0.0") or _is_parameter(p, method)):
            continue
        last = call.args[-1].value
        yield Match(
            call,
            f"`{module.code(call.func)}` without `training=` drops values after `eval()` too",
            changes=(Replace(last, (last, f", training={own}.training")),),
        )


def _is_parameter(p: cst.BaseExpression, method: cst.FunctionDef | None) -> bool:
    """Whether it is what the method is given: 0 in evaluation, as for `F.scaled_dot_product_attention`."""
    params = (*method.params.params, *method.params.kwonly_params) if method else ()
    return isinstance(p, cst.Name) and any(each.name.value == p.value for each in params)
