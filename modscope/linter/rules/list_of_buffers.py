"""`self.masks = [torch.ones(4, 4), …]` in `__init__`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.attributes import is_set, uses
from modscope.linter.candidate import Candidate
from modscope.linter.kept_tensors import makes_tensors
from modscope.linter.left_behind import is_left_behind, meets_an_input
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.variables import uses as uses_of_variable

_DISPLAYS = (ast.List, ast.Tuple, ast.ListComp, ast.Dict, ast.DictComp)


def _keeps_several(candidate: Candidate) -> bool:
    """Whether a container of what a function like `torch.zeros` makes is assigned, or one is filled with it."""
    values = [each.value for each in candidate.nodes(ast.Assign) if isinstance(each.value, _DISPLAYS)]
    fillings = [
        call
        for call in candidate.nodes(ast.Call)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "append"
        and isinstance(call.func.value, ast.Attribute)
    ]
    return any(makes_tensors(candidate, each) for each in (*values, *fillings))


@rule(severity=Severity.WARNING, words=("torch.",), trigger=_keeps_several)
def list_of_buffers(module: ModuleClass) -> Iterator[Match]:
    """Tensors in a list or dict stay where they were made when the model moves, and are not saved.

    `model.to(device)` moves parameters and buffers. There is no list of buffers: each needs a name of its own.

    Bad:
        class Scales(nn.Module):
            def __init__(self):
                super().__init__()
                self.scales = [torch.ones(4), torch.zeros(4)]

            def forward(self, x):
                for scale in self.scales:
                    x = x * scale
                return x

    Good:
        class Scales(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("scales", torch.stack([torch.ones(4), torch.zeros(4)]))

            def forward(self, x):
                for scale in self.scales:
                    x = x * scale
                return x

    Run time: after `Scales().to("meta")` the tensors are still on the CPU: `forward` raises "expected all tensors to be
    on the same device".

    Not reported: tensors of a single number, moved where they are used, or made on a given device; containers that are
    set again or filled after `__init__`; classes that register buffers under names made at run time, or say themselves
    how they are moved (`_apply`, `to`, `cuda`).
    """
    if module.has_method("_apply", "to", "cuda") or _registers_by_name(module):
        return
    for method in module.init:
        for target, value in module.assignments(within=method):
            name = module.attribute(target)
            if name is None or not isinstance(value, cst.List | cst.Tuple | cst.ListComp | cst.Dict | cst.DictComp):
                continue
            others = [use for use in uses(module, name) if use is not target]
            later = [use for use in others if module.method_of(use) not in module.init]
            if any(is_set(module, use) for use in others) or any(_may_be_filled(use, module) for use in later):
                continue
            elements = [*_elements(value), *(each for use in others for each in _appended(use, module))]
            if any(is_left_behind(each, module) for each in elements) and any(
                meets_an_input(element, module) for use in later for element in _taken_out(use, module)
            ):
                yield Match(
                    target, f"the tensors in `self.{name}` stay on the CPU when the model moves, and are not saved"
                )


def _registers_by_name(module: ModuleClass) -> bool:
    """Whether it registers buffers under names that nobody can read: perhaps these."""
    calls = (
        call for call in module.nodes(cst.Call) if module.attribute(call.func) in ("register_buffer", "__setattr__")
    )
    by_name = any(not (call.args and isinstance(call.args[0].value, cst.SimpleString)) for call in calls)
    return by_name or any(module.name_of(call.func) == "builtins.setattr" for call in module.nodes(cst.Call))


def _elements(value: cst.CSTNode) -> list[cst.BaseExpression]:
    match value:
        case cst.List(elements=elements) | cst.Tuple(elements=elements):
            return [each.value for each in elements]
        case cst.Dict(elements=pairs):
            return [each.value for each in pairs]
        case cst.ListComp(elt=element) | cst.DictComp(value=element):
            return [element]
    return []


def _appended(use: cst.CSTNode, module: ModuleClass) -> list[cst.BaseExpression]:
    """What `self.x.append(…)` puts in."""
    owner = module.parent(use)
    call = module.parent(owner) if owner is not None else None
    match owner, call:
        case cst.Attribute(attr=cst.Name("append")), cst.Call(args=[arg]):
            return [arg.value]
    return []


def _may_be_filled(use: cst.CSTNode, module: ModuleClass) -> bool:
    """Whether it is used in any other way than being read part by part, or handed to a call."""
    parent = module.parent(use)
    return not (isinstance(parent, cst.Subscript | cst.For | cst.Arg | cst.CompFor) and not _appended(use, module))


def _taken_out(use: cst.CSTNode, module: ModuleClass) -> list[cst.CSTNode]:
    """Where one of its tensors is read: `self.x[0]`, the variable of a loop over it."""
    parent = module.parent(use)
    match parent:
        case cst.Subscript(value=whole, slice=[cst.SubscriptElement(slice=cst.Index())]) if whole is use:
            return [parent]
        case cst.For(iter=iterable, target=cst.Name(variable)) if iterable is use:
            function = module.function_of(parent)
            return [] if function is None else [*uses_of_variable(module, variable, function)]
    return []
