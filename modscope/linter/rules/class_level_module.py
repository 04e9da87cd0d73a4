"""`layer = nn.Linear(4, 4)` in the body of a class."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.facts import statements
from modscope.linter.known import Kind
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.weights import has_weights


def _calls_in_its_body(candidate: Candidate) -> bool:
    return any(
        isinstance(each, ast.Assign | ast.AnnAssign) and isinstance(each.value, ast.Call)
        for each in statements(candidate.node.body)
    )


@rule(trigger=_calls_in_its_body)
def class_level_module(module: ModuleClass) -> Iterator[Match]:
    """A module or parameter as a class attribute is not registered, and all instances share it.

    Python makes it once, when the class is read. It is missing from `parameters()` and `state_dict()`, it stays on the
    CPU, and what one instance learns into it, all others use.

    Bad:
        class Net(nn.Module):
            fc = nn.Linear(4, 2)

            def forward(self, x):
                return self.fc(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

            def forward(self, x):
                return self.fc(x)

    Run time: `list(Net().parameters())` is empty, and `Net().fc is Net().fc`.

    Not reported: modules without weights, such as a default activation, and attributes that a method sets again.
    """
    set_again = {module.attribute(target) for target, _ in module.assignments()}
    for target, value in module.assignments():
        if not isinstance(target, cst.Name) or target.value in set_again or module.function_of(target) is not None:
            continue
        if next(each for each in module.ancestors(target) if isinstance(each, cst.ClassDef)) is not module.node:
            continue
        if module.kind_of(value) is Kind.PARAMETER or has_weights(module, value):
            yield Match(target, f"`{target.value}` is not registered, and all instances of `{module.name}` share it")
