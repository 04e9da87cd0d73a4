"""`self.act = nn.ReLU`, and then `self.act(x)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.facts import dotted
from modscope.linter.inputs import comes_from_input
from modscope.linter.known import MODULE_KINDS
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule


def _keeps_a_class(candidate: Candidate) -> bool:
    index, scope = candidate.index, candidate.facts.scope
    for assign in candidate.nodes(ast.Assign):
        written = dotted(assign.value) if isinstance(assign.targets[0], ast.Attribute) else None
        full = written and index.resolve(written, scope, from_method=True)
        if full and index.kind(full) in MODULE_KINDS:
            return True
    return False


@rule(trigger=_keeps_a_class)
def module_class_not_instance(module: ModuleClass) -> Iterator[Match]:
    """A module class without parentheses is called like a module: the input becomes an argument of its constructor.

    `nn.ReLU(x)` makes a ReLU whose `inplace` is the tensor; `nn.Linear(x)` raises TypeError. Either way nothing is
    computed from the input.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.act = nn.ReLU

            def forward(self, x):
                return self.act(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.act = nn.ReLU()

            def forward(self, x):
                return self.act(x)

    Run time: `Net()(x)` is a module, not a tensor.

    Not reported: classes that are kept to build modules with (`self.norm = nn.LayerNorm` and `self.norm(size)`): the
    call must be in `forward`, or a method that it calls, and get a tensor of its inputs.
    """
    kept: dict[str, cst.BaseExpression | None] = {}
    for target, value in module.assignments():
        name = module.attribute(target)
        if name is not None:
            full = module.name_of(value)
            is_class = full is not None and module.index.kind(full) in MODULE_KINDS
            kept[name] = value if is_class and kept.get(name, value) is not None else None
    for method in module.reached_from("forward"):
        for call in module.nodes(cst.Call, within=method):
            made = kept.get(module.attribute(call.func) or "")
            if made is not None and call.args and comes_from_input(module, call.args[0].value):
                yield Match(
                    call,
                    f"`{module.code(call.func)}` is the class `{module.code(made)}`: this makes a module of the input",
                )
