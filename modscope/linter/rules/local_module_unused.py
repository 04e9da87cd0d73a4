"""`fc = nn.Linear(4, 4)` in `__init__`, without `self.`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.facts import statements
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.variables import uses
from modscope.linter.weights import has_weights


def _leaves_a_variable(candidate: Candidate) -> bool:
    """Whether a method sets a variable to what a call makes, and does not name it again."""
    return any(
        isinstance(method, ast.FunctionDef) and candidate.methods[method.name].count(name) == 1
        for method in candidate.node.body
        for name in (_set_to_a_call(method) if isinstance(method, ast.FunctionDef) else ())
    )


def _set_to_a_call(method: ast.FunctionDef) -> Iterator[str]:
    for statement in statements(method.body):
        match statement:
            case ast.Assign([ast.Name(name)], ast.Call()):
                yield name


@rule(trigger=_leaves_a_variable)
def local_module_unused(module: ModuleClass) -> Iterator[Match]:
    """A module in a variable that nothing reads is thrown away when the method ends: `self.` is missing.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Linear(4, 4)
                head = nn.Linear(4, 2)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Linear(4, 4)
                self.head = nn.Linear(4, 2)

    Run time: `Net()` has the parameters of `body` alone.

    Not reported: variables that are read anywhere in the method or in a function inside it, or named `_`; modules
    without weights.
    """
    for method in module.methods.values():
        assigned = [
            target
            for target, value in module.assignments(within=method)
            if isinstance(target, cst.Name) and not target.value.startswith("_") and has_weights(module, value)
        ]
        known = _shared(method, module) if assigned else frozenset()
        for target in assigned:
            if known is not None and target.value not in known and not uses(module, target.value, method):
                yield Match(target, f"nothing uses `{target.value}`: is `self.` missing?")


def _shared(method: cst.FunctionDef, module: ModuleClass) -> frozenset[str] | None:
    """The variables that are those of a scope around the method too; None where any may be read by its name."""
    called = (module.name_of(call.func) for call in module.nodes(cst.Call, within=method))
    if any(each in ("builtins.locals", "builtins.vars", "builtins.eval") for each in called):
        return None
    return frozenset(item.name.value for item in module.nodes(cst.NameItem, within=method))
