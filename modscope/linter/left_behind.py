"""Tensors that stay where they were made when their Module moves, and that then meet those that have moved."""

from __future__ import annotations

from collections.abc import Sequence

from modscope.linter import cst
from modscope.linter.calls import argument
from modscope.linter.inputs import comes_from_input
from modscope.linter.module import ModuleClass
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


def is_left_behind(value: cst.BaseExpression, module: ModuleClass) -> bool:
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


def meets_an_input(node: cst.CSTNode, module: ModuleClass) -> bool:
    """Whether the tensor is combined with one that the module is given, without having been moved to it."""
    waiting, seen = [node], {node}
    while waiting:  # the tensor goes on as what is computed from it, and by the variables that it is set to
        meets, results = _next(waiting.pop(), module)
        if meets:
            return True
        waiting += [each for each in results if each not in seen]
        seen.update(results)
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
