"""`self.device = device`, and `torch.zeros(4, device=self.device)` in forward."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.attributes import is_set, uses
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.variables import bindings


@rule(
    default=False,
    severity=Severity.WARNING,
    words=("device",),
    trigger=r"\bself\s*\.\s*\w+\s*(:[^=\n]+)?=(?!=)[^\n]*device",
)
def stored_device(module: ModuleClass) -> Iterator[Match]:
    """A device that a Module remembers is out of date when the module moves.

    `model.to(other)` moves parameters and buffers; what `forward` then makes on the old device does not meet them.

    Bad:
        class Noise(nn.Module):
            def __init__(self, device="cpu"):
                super().__init__()
                self.device = device

            def forward(self, x):
                return x + torch.randn(4, device=self.device)

    Good:
        class Noise(nn.Module):
            def __init__(self):
                super().__init__()

            def forward(self, x):
                return x + torch.randn(4, device=x.device)

    Run time: after `Noise().to("meta")` its `forward` still makes its noise on the CPU.

    Not reported: devices that `forward` does not make or move tensors with, that are set again or compared with that
    of a tensor, or of classes that say themselves how they are moved (`_apply`, `to`, `cuda`).
    """
    if module.has_method("_apply", "to", "cuda"):
        return
    forward = module.reached_from("forward")
    for method in module.init:
        for target, value in module.assignments(within=method):
            name = module.attribute(target)
            if name is None or not _is_device(value, module):
                continue
            others = [use for use in uses(module, name) if use is not target]
            if not any(is_set(module, use) or _is_compared(use, module) for use in others) and any(
                _places(use, module) for use in others if module.method_of(use) in forward
            ):
                yield Match(target, f"`self.{name}` stays what it is when the model moves: ask an input for its device")


def _is_device(value: cst.BaseExpression, module: ModuleClass) -> bool:
    """Whether it is a device that somebody chose: a `torch.device(…)`, or an argument."""
    match value:
        case cst.Call(func=func):
            return module.name_of(func) == "torch.device"
        case cst.Name():
            given = any(isinstance(module.parent(each.name), cst.Param) for each in bindings(module, value))
            return given and "dtype" not in value.value
        case cst.IfExp(body=one, orelse=other):
            return _is_device(one, module) or _is_device(other, module)
    return False


def _is_compared(use: cst.CSTNode, module: ModuleClass) -> bool:
    return isinstance(module.parent(use), cst.Comparison | cst.ComparisonTarget)


def _places(use: cst.CSTNode, module: ModuleClass) -> bool:
    """Whether a tensor is made or moved there: `device=self.device`, `x.to(self.device)`."""
    arg = module.parent(use)
    match arg:
        case cst.Arg(keyword=cst.Name("device")):
            return True
        case cst.Arg(keyword=None):
            call = module.parent(arg)
            return isinstance(call, cst.Call) and _is_move(call.func)
    return False


def _is_move(func: cst.BaseExpression) -> bool:
    return isinstance(func, cst.Attribute) and func.attr.value == "to"
