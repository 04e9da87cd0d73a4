"""`self.training = False`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.calls import is_literal
from modscope.linter.known import MODULE_KINDS
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule

_SETS_MODE = frozenset({"train", "eval", "__setstate__", "_load_from_state_dict"})


@rule(severity=Severity.WARNING, words=(".training",), trigger=r"\.training\s*(:[^=\n]*)?=(?!=)")
def assigns_training(module: ModuleClass) -> Iterator[Match]:
    """Setting `training` switches this module alone: those inside it stay in their mode.

    Dropout goes on dropping, and batch norms go on learning, in a model that says it is not in training.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.drop = nn.Dropout(0.5)

            def freeze(self):
                self.training = False

            def forward(self, x):
                return self.drop(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.drop = nn.Dropout(0.5)

            def freeze(self):
                self.eval()

            def forward(self, x):
                return self.drop(x)

    Run time: after `freeze()` the dropout still drops.

    Not reported: classes that hold no other module; methods named `train` or `eval`, that call these of any module,
    that keep the old mode in a variable or delete it; in `__init__` anything but `self.training = False`.
    """
    if not any(kind in MODULE_KINDS for kind in module.registered.values()):
        return
    for method in module.methods.values():
        assigned = [
            target
            for target, value in module.assignments(within=method)
            if module.attribute(target) == "training"
            if method.name.value != "__init__" or is_literal(value, "False")
        ]
        for target in assigned if assigned and not _knows_better(method, module) else ():
            yield Match(target, f"the modules inside `{module.name}` stay in their mode: `train()` and `eval()` set it")


def _knows_better(method: cst.FunctionDef, module: ModuleClass) -> bool:
    if method.name.value in _SETS_MODE:
        return True
    if any(module.attribute(value) == "training" for _, value in module.assignments(within=method)):
        return True
    called = (call.func for call in module.nodes(cst.Call, within=method))
    return any(isinstance(each, cst.Attribute) and each.attr.value in _SETS_MODE for each in called)
