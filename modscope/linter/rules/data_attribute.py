"""`self.weight.data.clamp_(0, 1)` in forward."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.known import MODULE_KINDS, Kind
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule


@rule(default=False, severity=Severity.ADVICE, trigger=r"\.\s*data\b")
def data_attribute(module: ModuleClass) -> Iterator[Match]:
    """A parameter that is changed through `.data` changes behind the back of autograd: gradients may be wrong.

    What backward needs of the old values is overwritten, and no error says so. Under `torch.no_grad()` the same change
    is counted, and backward raises an error where it matters.

    Bad:
        class Scale(nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.full((4,), 3.0))

            def forward(self, x):
                y = x * self.weight
                self.weight.data.clamp_(0, 1)
                return y

    Good:
        class Scale(nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.full((4,), 3.0))

            def forward(self, x):
                with torch.no_grad():
                    self.weight.clamp_(0, 1)
                return x * self.weight

    Run time: the gradient of `x` is 1, though `y` is three times `x`.

    Not reported: `.data` that is only read, or changed where no gradient is on its way (anywhere but in `forward` and
    the methods that it calls).
    """
    for method in module.reached_from("forward"):
        if method in module.init:
            continue
        for node in module.nodes(cst.Attribute, within=method):
            if node.attr.value == "data" and _is_parameter(node.value, module) and _is_changed(node, module):
                yield Match(node, f"autograd does not see that `{module.code(node.value)}` changes here")


def _is_parameter(node: cst.BaseExpression, module: ModuleClass) -> bool:
    if module.registered.get(module.attribute(node) or "") is Kind.PARAMETER:
        return True
    match node:
        case cst.Attribute(value=owner, attr=cst.Name("weight" | "bias")):
            return module.registered.get(module.attribute(owner) or "") in MODULE_KINDS
    return False


def _is_changed(data: cst.CSTNode, module: ModuleClass) -> bool:
    """Whether it is set, in whole or in part, or a method that ends in an underscore is called on it."""
    parent = module.parent(data)
    match parent:
        case cst.AssignTarget():
            return True
        case cst.AugAssign(target=target):
            return target is data
        case cst.Subscript(value=whole) if whole is data:
            return _is_changed(parent, module)
        case cst.Attribute(attr=cst.Name(name)):
            return name.endswith("_") and isinstance(module.parent(parent), cst.Call)
    return False
