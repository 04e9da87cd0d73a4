"""`self.mask = torch.ones(4, 4)` in `__init__`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from modscope.findings import Severity
from modscope.linter import attributes, cst
from modscope.linter.attributes import is_set
from modscope.linter.calls import argument
from modscope.linter.candidate import Candidate
from modscope.linter.facts import statements
from modscope.linter.inputs import comes_from_input
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Change, Match, Replace, rule
from modscope.linter.tensors import METHODS, VIEWS, factory, is_tensor, lineage, requires_grad
from modscope.linter.variables import bindings, uses, values

_OF_DATA = frozenset(
    f"torch.{name}" for name in ("tensor", "as_tensor", "Tensor", "FloatTensor", "LongTensor", "BoolTensor")
)
# What moves a tensor, or reads Python values out of it.
_MOVES = frozenset({"cpu", "cuda", "item", "numpy", "to", "tolist", "type_as"})
# Methods and functions that want all their tensors on one device.
_COMBINE = frozenset(
    [
        *("add", "bmm", "div", "gather", "masked_fill", "masked_fill_", "matmul", "mm", "mul", "mv"),
        *("index_select", "maximum", "minimum", "baddbmm", "addmm", "cdist", "take_along_dim", "scatter"),
        *("add_", "mul_", "div_", "pow", "sub", "where", "copysign", "dot", "outer", "lerp", "eq", "ne", "gt", "lt"),
    ]
)
# Of all numbers they make one, unless they are told a dimension.
_REDUCTIONS = frozenset({"argmax", "argmin", "logsumexp", "mean", "norm", "prod", "squeeze", "sum"})
_JOINING = frozenset(f"torch.{name}" for name in (*_COMBINE, "cat", "concat", "einsum", "stack", "logical_and"))


_FACTORIES = re.compile(
    r"arange|as_tensor|empty|eye|from_numpy|full|linspace|logspace|ones|rand\w*|\w*[tT]ensor|tri[lu]_indices|zeros"
)


def _keeps_tensors(candidate: Candidate) -> bool:
    """Whether `__init__`, or a method that it calls, assigns what a function like `torch.zeros` makes."""
    init = candidate.methods.get("__init__", "")
    return any(
        _keeps_a_tensor(statement)
        for method in candidate.node.body
        if isinstance(method, ast.FunctionDef) and (method.name == "__init__" or f".{method.name}(" in init)
        for statement in statements(method.body)
    )


def _keeps_a_tensor(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or not isinstance(statement.value, ast.expr):
        return False
    called = [node.func for node in ast.walk(statement.value) if isinstance(node, ast.Call)]
    names = {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in called}
    return "Parameter" not in names and any(_FACTORIES.fullmatch(name) for name in names)


@rule(fix="unsafe", severity=Severity.WARNING, trigger=_keeps_tensors)
def tensor_attribute_not_buffer(module: ModuleClass) -> Iterator[Match]:
    """A tensor kept as a plain attribute stays where it was made when the model moves, and is not saved.

    `model.to(device)` moves parameters and buffers. A constant made in `__init__` remains on the CPU, and `forward`
    fails on a GPU, or the author moves it there at every call.

    Bad:
        class Causal(nn.Module):
            def __init__(self, size):
                super().__init__()
                self.mask = torch.ones(size, size).tril()

            def forward(self, scores):
                return scores * self.mask

    Good:
        class Causal(nn.Module):
            def __init__(self, size):
                super().__init__()
                self.register_buffer("mask", torch.ones(size, size).tril())

            def forward(self, scores):
                return scores * self.mask

    Run time: `Causal(4).to("meta").mask` is still on the CPU: `forward` raises "expected all tensors to be on the
    same device".

    Not reported: single numbers, which mix with tensors of any device; attributes that are set again, moved where
    they are used, read as Python numbers or only used as an index; tensors that are made on a given device; classes
    that say themselves how they are moved (`_apply`, `to`, `cuda`).

    Fix: unsafe. It calls `register_buffer`: the tensor gets a key in `state_dict()`, so that older checkpoints lack it
    (`persistent=False` leaves it out).
    """
    if module.has_method("_apply", "to", "cuda"):
        return
    for method in module.init:
        for target, value in module.assignments(within=method):
            name = module.attribute(target)
            if name is None or not _is_left_behind(value, module) or _is_set_again(name, target, module):
                continue
            if any(_meets_an_input(use, module) for use in _reads(name, module)):
                mended = _as_buffer(target, name, value, module)
                yield Match(
                    target,
                    f"`self.{name}` is no buffer: it stays on the CPU when the model moves, and is not saved",
                    changes=(mended,) if mended else (),
                    no_fix=None if mended else "the assignment has several targets or an annotation",
                )


def _is_left_behind(value: cst.BaseExpression, module: ModuleClass) -> bool:
    """Whether it is a tensor of several numbers, made where tensors are made by default."""
    made = factory(module, value)
    if made is None or not is_tensor(module, value):
        return False
    computed_from = list(lineage(module, value))
    return (
        not any(_is_placed(each, module) or requires_grad(module, each) for each in computed_from)
        and not any(_may_be_number(each, module) for each in computed_from)
        and (_is_reshaped(value) or _has_numbers(made, module))
    )


def _is_placed(node: cst.CSTNode, module: ModuleClass) -> bool:
    """Whether anything says on which device it is, or may say so."""
    for call in module.nodes(cst.Call, within=node):
        if argument(call, "device") is not None or any(arg.star for arg in call.args):
            return True
        if isinstance(call.func, cst.Attribute) and call.func.attr.value in _MOVES:
            return True
    return False


def _may_be_number(node: cst.CSTNode, module: ModuleClass) -> bool:
    """Whether the expression may be a single number though it is made of several: those mix with any device."""
    match node:
        case cst.Call(func=cst.Attribute(attr=cst.Name(name)), args=args) if name in _REDUCTIONS:
            return len(args) < (1 if module.name_of(node.func) is None else 2)
        case cst.Subscript(slice=parts):
            return not any(isinstance(each.slice, cst.Slice) for each in parts)
    return False


def _is_reshaped(node: cst.CSTNode) -> bool:
    match node:
        case cst.Call(func=cst.Attribute(attr=cst.Name("reshape" | "unsqueeze" | "view")), args=[first, *_]):
            return not isinstance(first.value, cst.Tuple | cst.List | cst.Name)
    return False


def _has_numbers(made: cst.Call, module: ModuleClass) -> bool:
    """Whether what a factory makes certainly has a dimension."""
    first = made.args[0].value if made.args else None
    if module.name_of(made.func) in _OF_DATA:
        return _has_several_numbers(first, module)
    is_empty = isinstance(first, cst.Tuple | cst.List) and not first.elements
    return first is not None and not is_empty


def _has_several_numbers(node: cst.BaseExpression | None, module: ModuleClass) -> bool:
    match node:
        case cst.BaseList():
            return True
        case cst.Call(func=func):
            return (module.name_of(func) or "").startswith("numpy.")
        case cst.Name() if isinstance(module.parent(node), cst.Arg):
            given = values(module, node)
            return len(given) == 1 and _has_several_numbers(given[0], module)
    return False


def _is_set_again(name: str, target: cst.BaseExpression, module: ModuleClass) -> bool:
    """Whether it is registered, or set or deleted anywhere but here, or filled after `__init__`."""
    return name in module.registered or any(
        use is not target and is_set(module, use) and not _is_filled_in_init(use, module)
        for use in attributes.uses(module, name)
    )


def _is_filled_in_init(use: cst.Attribute, module: ModuleClass) -> bool:
    return isinstance(module.parent(use), cst.Subscript) and module.method_of(use) in module.init


def _reads(name: str, module: ModuleClass) -> list[cst.Attribute]:
    """Where other methods than those of `__init__` read it."""
    return [use for use in attributes.uses(module, name) if module.method_of(use) not in module.init]


def _meets_an_input(node: cst.CSTNode, module: ModuleClass) -> bool:
    """Whether the tensor is combined with one that the module is given, without having been moved to it."""
    waiting = [node]
    for here in waiting:  # grows: the tensor goes on as what is computed from it, and by the variables it is set to
        meets, results = _next(here, module)
        if meets:
            return True
        waiting += [each for each in results if each not in waiting]
    return False


def _next(node: cst.CSTNode, module: ModuleClass) -> tuple[bool, Sequence[cst.CSTNode]]:
    """Whether a CPU tensor meets an input in the expression around it, and else where it goes on as a tensor."""
    parent = module.parent(node)
    assert parent is not None
    match parent:
        case cst.Attribute(attr=cst.Name(name)) if isinstance(call := module.parent(parent), cst.Call) and (
            call.func is parent
        ):
            meets = name in _COMBINE and any(comes_from_input(module, arg.value) for arg in call.args)
            goes_on = name in METHODS - _MOVES and not _may_be_number(call, module)
            return meets, [call] if goes_on else ()
        case cst.Attribute(attr=cst.Name(name)):
            return False, [parent] if name in VIEWS else ()
        case cst.Subscript(value=whole, slice=parts) if whole is node:
            indices = [each.slice.value for each in parts if isinstance(each.slice, cst.Index)]
            meets = any(comes_from_input(module, each) for each in indices)
            return meets, [] if _may_be_number(parent, module) else [parent]
        case cst.BinaryOperation(left=left, right=right):
            return comes_from_input(module, right if left is node else left), [parent]
        case cst.Comparison(left=left, comparisons=[cst.ComparisonTarget(comparator=right)]):
            return comes_from_input(module, right if left is node else left), [parent]
        case cst.AugAssign(target=target):
            return comes_from_input(module, target), ()
        case cst.Assign(targets=[cst.AssignTarget(cst.Name(alias) as target)]):
            function = module.function_of(target)
            followed = function is not None and len(bindings(module, target)) == 1
            return False, uses(module, alias, function) if followed and function else ()
        case cst.UnaryOperation() | cst.Element() | cst.List() | cst.ComparisonTarget():
            return False, [parent]
        case cst.Arg():
            return _joins(module.parent(parent), module), ()
    return False, ()


def _joins(call: cst.CSTNode | None, module: ModuleClass) -> bool:
    """Whether the call puts its argument together with a tensor that comes from an input."""
    match call:
        case cst.Call(func=func, args=args) if (name := module.name_of(func)) is not None:
            joins = name in _JOINING or name.startswith("torch.nn.functional.")
            return joins and any(comes_from_input(module, arg.value) for arg in args)
        case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name(method))):
            return method in _COMBINE and comes_from_input(module, owner)
    return False


def _as_buffer(target: cst.BaseExpression, name: str, value: cst.BaseExpression, module: ModuleClass) -> Change | None:
    """`self.register_buffer(...)` in place of the assignment."""
    line = module.parent(module.parent(target) or target)
    if not (isinstance(line, cst.Assign) and len(line.targets) == 1 and isinstance(target, cst.Attribute)):
        return None
    return Replace(line, f'{module.code(target.value)}.register_buffer("{name}", {module.code(value)})')
