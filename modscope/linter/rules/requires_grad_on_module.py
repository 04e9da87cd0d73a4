"""`self.net.requires_grad = False`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.submodules import is_submodule


@rule(fix="safe", trigger=r"\.requires_grad\s*=(?!=)")
def requires_grad_on_module(module: ModuleClass) -> Iterator[Match]:
    """`requires_grad` set on a module does nothing: its parameters are trained, or frozen, as before.

    Only tensors have this attribute. On a module Python makes a new one that nobody reads.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.backbone = nn.Linear(4, 4)
                self.backbone.requires_grad = False

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.backbone = nn.Linear(4, 4)
                self.backbone.requires_grad_(False)

    Run time: `Net().backbone.weight.requires_grad` is still True.

    Not reported: `self.requires_grad`, which may be a setting of the class itself, attributes whose type cannot be
    told, and classes that define the attribute.

    Fix: safe. It calls `requires_grad_`, which sets it for every parameter of the module.
    """
    for assign in module.nodes(cst.Assign):
        match assign.targets:
            case [cst.AssignTarget(cst.Attribute(value=owner, attr=cst.Name("requires_grad")) as target)]:
                if is_submodule(module, owner):
                    written = module.code(owner)
                    yield Match(
                        assign,
                        f"`{written}` is a module: setting `requires_grad` does not reach its parameters",
                        replacement=f"{module.code(target)}_({module.code(assign.value)})",
                    )
