"""`torch.zeros(4)` in forward."""

from __future__ import annotations

import re
from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.calls import argument, spreads
from modscope.linter.candidate import Candidate
from modscope.linter.inputs import comes_from_input
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.variables import uses

_NAMES = ("arange", "empty", "eye", "full", "linspace", "logspace", "ones", "rand", "randn", "randperm", "zeros")
_FACTORIES = frozenset(f"torch.{name}" for name in _NAMES)
_CALL = re.compile(rf"\b(?:{'|'.join(_NAMES)})\(")
_MOVES = frozenset({"cuda", "device", "item", "numpy", "shape", "size", "to", "tolist", "type_as"})


def _makes_tensors_in_forward(candidate: Candidate) -> bool:
    return any(name != "__init__" and _CALL.search(text) for name, text in candidate.methods.items())


@rule(default=False, severity=Severity.WARNING, trigger=_makes_tensors_in_forward)
def factory_without_device(module: ModuleClass) -> Iterator[Match]:
    """A tensor that `forward` makes without `device=` lies on the CPU, and fails to meet those on a GPU.

    The model is moved with `.to(device)`, the inputs too; what `forward` makes by itself is not.

    Bad:
        class Positions(nn.Module):
            def forward(self, x):
                return x + torch.arange(x.shape[-1])

    Good:
        class Positions(nn.Module):
            def forward(self, x):
                return x + torch.arange(x.shape[-1], device=x.device)

    Run time: RuntimeError, "expected all tensors to be on the same device", as soon as `x` is on a GPU.

    Not reported: tensors that are moved afterwards (`.to(…)`, `.type_as(…)`), that meet no tensor of an input, or are
    used as an index only. Off by default: models that never leave the CPU, or run under `with torch.device(…)`, need
    no device here.
    """
    for method in module.reached_from("forward"):
        if method in module.init:
            continue
        for call in module.nodes(cst.Call, within=method):
            if module.name_of(call.func) not in _FACTORIES or argument(call, "device") is not None or spreads(call):
                continue
            if _meets_an_input(call, module):
                yield Match(call, f"`{module.code(call.func)}` without `device=` makes its tensor on the CPU")


def _meets_an_input(node: cst.CSTNode, module: ModuleClass) -> bool:
    """Whether the tensor becomes an operand beside a tensor of an input, without having been moved."""
    while True:
        parent = module.parent(node)
        match parent:
            case cst.Attribute(attr=cst.Name(name)):
                call = module.parent(parent)
                if name in _MOVES or not isinstance(call, cst.Call):
                    return False
                node = call
            case cst.BinaryOperation(left=left, right=right):
                if comes_from_input(module, right if left is node else left):
                    return not _is_moved_later(parent, module)
                node = parent
            case cst.UnaryOperation() | cst.Subscript():
                node = parent
            case cst.Assign(targets=[cst.AssignTarget(cst.Name(name) as target)]):
                function = module.function_of(target)
                places = uses(module, name, function) if function is not None else []
                moved = any(_is_moved_later(place, module) for place in places)
                return not moved and any(_is_operand(place, module) for place in places)
            case _:
                return False


def _is_operand(node: cst.CSTNode, module: ModuleClass) -> bool:
    match module.parent(node):
        case cst.BinaryOperation(left=left, right=right):
            return comes_from_input(module, right if left is node else left)
    return False


def _is_moved_later(node: cst.CSTNode, module: ModuleClass) -> bool:
    """Whether `.to(...)` is called on it, or on what calls have made of it: `torch.clone(mask.float()).to(device)`."""
    while isinstance(parent := module.parent(node), cst.Attribute | cst.Call | cst.Arg):
        if isinstance(parent, cst.Attribute) and parent.attr.value in _MOVES:
            return True
        node = parent
    return False
