"""Which expressions certainly are computed from the tensors that a method is given."""

from __future__ import annotations

from collections.abc import Collection

from modscope.linter import cst
from modscope.linter.known import MODULE_KINDS
from modscope.linter.module import ModuleClass
from modscope.linter.submodules import is_submodule
from modscope.linter.tensors import METHODS, VIEWS, is_function, settle
from modscope.linter.variables import Binding, Variable, all_bindings, uses

# Methods that take a tensor apart: what comes out is one, or several of them.
_PARTS = frozenset({"chunk", "max", "min", "sort", "split", "tensor_split", "topk", "unbind"})
# What is asked of tensors, and of Modules, sets or dictionaries never.
_ASKED_OF_TENSORS = frozenset(
    [
        *("device", "dim", "dtype", "ndim", "numel", "shape", "size", "contiguous", "detach", "masked_fill"),
        *("matmul", "mean", "new_ones", "new_zeros", "permute", "relu", "reshape", "sigmoid", "softmax", "squeeze"),
        *("sum", "tanh", "transpose", "unsqueeze"),
    ]
)


def comes_from_input(module: ModuleClass, node: cst.CSTNode | None) -> bool:
    """Whether the expression is certainly computed from a tensor that the method was given, or by a submodule."""
    return _is_from_input(module, node, module.once(_input_variables))


def is_input(module: ModuleClass, node: cst.CSTNode | None) -> bool:
    """The same, and the variable that the expression may be holds nothing else."""
    if isinstance(node, cst.Name):
        return (module.function_of(node), node.value) in module.once(_pure_input_variables)
    return comes_from_input(module, node)


def _input_variables(module: ModuleClass) -> frozenset[Variable]:
    """The variables that some binding computes from an input: none does until one shows it."""
    inputs: set[Variable] = set()
    every = module.once(all_bindings)
    settle(module, every, inputs.add, lambda binding: _is_bound_to_input(module, binding, inputs))
    return frozenset(inputs)


def _pure_input_variables(module: ModuleClass) -> frozenset[Variable]:
    """The variables that every binding computes from an input."""
    inputs = module.once(_input_variables)
    return frozenset(
        variable
        for variable, bound in module.once(all_bindings).items()
        if all(_is_bound_to_input(module, each, inputs) for each in bound)
    )


def _is_bound_to_input(module: ModuleClass, binding: Binding, inputs: Collection[Variable]) -> bool:
    source = binding.value if binding.value is not None else binding.iterable
    if source is not None:
        return _is_from_input(module, source, inputs)
    if module.is_self(binding.name) or binding.name.value in ("self", "cls"):
        return False
    match module.parent(binding.name):
        case cst.Param(annotation=cst.Annotation(annotation=annotation)):
            return module.name_of(annotation) == "torch.Tensor"
        case cst.Param():
            return _is_first_of_forward(module, binding.name) or _is_used_as_tensor(module, binding.name)
    return False


def _is_first_of_forward(module: ModuleClass, name: cst.Name) -> bool:
    forward = module.methods.get("forward")
    return forward is not None and [each.name for each in forward.params.params[1:2]] == [name]


def _is_used_as_tensor(module: ModuleClass, name: cst.Name) -> bool:
    """Whether a parameter is asked for what tensors have."""
    function = module.function_of(name)
    asked = (module.parent(use) for use in uses(module, name.value, function)) if function else ()
    return any(isinstance(each, cst.Attribute) and each.attr.value in _ASKED_OF_TENSORS for each in asked)


def _is_from_input(module: ModuleClass, node: cst.CSTNode | None, variables: Collection[Variable]) -> bool:
    match node:
        case cst.Call():
            return _is_call_on_input(module, node, variables)
        case cst.BinaryOperation(left=one, right=other) | cst.IfExp(body=one, orelse=other):
            return _is_from_input(module, one, variables) or _is_from_input(module, other, variables)
        case cst.Comparison(left=one, comparisons=[cst.ComparisonTarget(comparator=other), *_]):
            return _is_from_input(module, one, variables) or _is_from_input(module, other, variables)
        case cst.UnaryOperation(expression=inner) | cst.Subscript(value=inner):
            return _is_from_input(module, inner, variables)
        case cst.List(elements=elements) | cst.Tuple(elements=elements):
            return any(_is_from_input(module, each.value, variables) for each in elements)
        case cst.Attribute(value=owner, attr=cst.Name(name)) if name in VIEWS:
            return _is_from_input(module, owner, variables)
        case cst.Name(value=name):
            return (module.function_of(node), name) in variables
    return False


def _is_call_on_input(module: ModuleClass, call: cst.Call, variables: Collection[Variable]) -> bool:
    func = call.func
    if module.registered.get(module.attribute(func) or "") in MODULE_KINDS or is_submodule(module, func):
        return True
    name = module.name_of(func)
    if is_function(name) or module.attribute(func) in module.methods or (name or "").startswith("einops."):
        return any(_is_from_input(module, arg.value, variables) for arg in call.args)
    match func:
        case cst.Attribute(value=owner, attr=cst.Name(method)) if method in METHODS or method in _PARTS:
            return _is_from_input(module, owner, variables)
    return False
