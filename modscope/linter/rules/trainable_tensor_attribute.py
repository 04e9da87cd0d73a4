"""`self.weight = torch.randn(4, requires_grad=True)`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.attributes import uses
from modscope.linter.calls import is_literal
from modscope.linter.candidate import Candidate
from modscope.linter.kept_tensors import keeps_tensors
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.tensors import factory, requires_grad

_ASKING = re.compile(r"requires_grad(?:\s*=\s*True|_\()|\bVariable\(")


def _keeps_trained_tensors(candidate: Candidate) -> bool:
    return _ASKING.search(candidate.text) is not None and keeps_tensors(candidate)


@rule(fix="unsafe", words=("requires_grad", "Variable("), trigger=_keeps_trained_tensors)
def trainable_tensor_attribute(module: ModuleClass) -> Iterator[Match]:
    """A tensor with `requires_grad=True` as an attribute is no parameter: the optimizer never sees it.

    Only `nn.Parameter` is registered. The tensor gets gradients, so nothing looks wrong, but it is not in
    `parameters()` or `state_dict()`, and stays where it was made when the model moves.

    Bad:
        class Scale(nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = torch.ones(4, requires_grad=True)

            def forward(self, x):
                return x * self.weight

    Good:
        class Scale(nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.ones(4))

            def forward(self, x):
                return x * self.weight

    Run time: `list(Scale().parameters())` is empty.

    Not reported: tensors that are set again outside `__init__`, made parameters later, or listed for an optimizer
    by hand.

    Fix: unsafe. It wraps the tensor in `nn.Parameter`: it is trained from now on, and gets a key in `state_dict()`.
    """
    for method in module.init:
        for target, value in module.assignments(within=method):
            name = module.attribute(target)
            if name is None or factory(module, value) is None or not _gets_gradients(name, value, module):
                continue
            if _is_taken_care_of(name, module):
                continue
            parameter = module.spell("torch.nn.Parameter")
            yield Match(
                value,
                f"`self.{name}` gets gradients but is no parameter: `parameters()` does not hold it",
                replacement=(f"{parameter}(", value, ")") if parameter else None,
                no_fix=None if parameter else "this file has no name for torch.nn.Parameter",
            )


def _gets_gradients(name: str, value: cst.BaseExpression, module: ModuleClass) -> bool:
    """Whether the tensor is made with gradients, or `__init__` asks for them afterwards."""
    if requires_grad(module, value):
        return True
    return any(module.method_of(use) in module.init and _asks_for_gradients(use, module) for use in uses(module, name))


def _asks_for_gradients(use: cst.Attribute, module: ModuleClass) -> bool:
    """`self.x.requires_grad = True` or `self.x.requires_grad_()`."""
    asked = module.parent(use)
    if not isinstance(asked, cst.Attribute):
        return False
    match module.parent(asked):
        case cst.Call(func=func, args=[]) if func is asked:
            return asked.attr.value == "requires_grad_"
        case cst.AssignTarget() as target:
            assign = module.parent(target)
            is_true = isinstance(assign, cst.Assign) and is_literal(assign.value, "True")
            return asked.attr.value == "requires_grad" and is_true
    return False


def _is_taken_care_of(name: str, module: ModuleClass) -> bool:
    """Whether it is set in another method, or handed to anything that may register or train it."""
    if name in module.registered:
        return True
    for use in uses(module, name):
        in_init, parent = module.method_of(use) in module.init, module.parent(use)
        if isinstance(parent, cst.Element) or (isinstance(parent, cst.Arg) and in_init):
            return True
        if isinstance(parent, cst.AssignTarget) and not in_init:
            return True
    return False
