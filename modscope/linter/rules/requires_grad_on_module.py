"""`self.net.requires_grad = False`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.submodules import is_submodule


def _sets_it_on_no_parameter(candidate: Candidate) -> bool:
    """Whether it is set on anything but the parameters that a loop walks over."""
    return any(
        isinstance(target, ast.Attribute) and target.attr == "requires_grad" and _may_be_module(target.value, candidate)
        for assign in candidate.nodes(ast.Assign)
        for target in assign.targets
    )


def _may_be_module(owner: ast.expr, candidate: Candidate) -> bool:
    match owner:
        case ast.Attribute(ast.Name()) | ast.Subscript():
            return True
        case ast.Name(name):
            return not any(
                loop.lineno < owner.lineno <= (loop.end_lineno or 0) and _walks_over_parameters(loop, name)
                for loop in candidate.nodes(ast.For)
            )
    return False


def _walks_over_parameters(loop: ast.For, name: str) -> bool:
    match loop:
        case ast.For(ast.Name(variable), ast.Call(ast.Attribute(attr="parameters"))):
            return variable == name
        case ast.For(ast.Tuple([_, ast.Name(variable)]), ast.Call(ast.Attribute(attr="named_parameters"))):
            return variable == name
    return False


@rule(fix="safe", words=("requires_grad",), trigger=_sets_it_on_no_parameter)
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
                        replacement=(target, "_(", assign.value, ")"),
                    )
