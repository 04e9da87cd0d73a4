"""`self.fc = nn.Linear(4, 4),`"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modscope.linter.candidate import Candidate
from modscope.linter.containers import after_comma
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule


def _assigns_a_tuple_of_one(candidate: Candidate) -> bool:
    assigned: list[ast.Assign | ast.AnnAssign] = [*candidate.nodes(ast.Assign), *candidate.nodes(ast.AnnAssign)]
    return any(
        isinstance(each.value, ast.Tuple) and [type(item) for item in each.value.elts] == [ast.Call]
        for each in assigned
    )


@rule(fix="safe", trigger=_assigns_a_tuple_of_one)
def trailing_comma_module(module: ModuleClass) -> Iterator[Match]:
    """A comma after the call makes the attribute a tuple: the module in it is not registered and cannot be called.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2),

            def forward(self, x):
                return self.fc(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

            def forward(self, x):
                return self.fc(x)

    Run time: `'tuple' object is not callable` at the first forward, and `parameters()` is empty.

    Not reported: `(nn.Linear(4, 2),)` in parentheses, which is a tuple on purpose (see unregistered-module-tuple).

    Fix: safe. It takes the comma out.
    """
    for target, value in module.assignments():
        name = module.attribute(target)
        alone = after_comma(value, module) if name else None
        if alone is not None:
            yield Match(
                value,
                f"the comma makes `{module.code(target)}` a tuple, not a module: `{name}` is not registered",
                replacement=alone,
            )
