"""The names under which a class registers modules, parameters and buffers by hand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from modscope.linter import cst
from modscope.linter.calls import argument
from modscope.linter.candidate import Candidate
from modscope.linter.module import ModuleClass
from modscope.linter.variables import makers

_METHODS = frozenset({"add_module", "register_buffer", "register_module", "register_parameter"})
# What every nn.Module has, and what a ModuleDict has besides: no name can be registered twice.
_OF_MODULES = """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval
    extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules
    mtia named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer
    register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory
    state_dict to to_empty train training type xpu zero_grad
"""
OF_MODULES = frozenset(_OF_MODULES.split())
OF_MODULE_DICTS = OF_MODULES | {"clear", "items", "keys", "pop", "update", "values"}


def names_given(candidate: Candidate) -> Iterator[ast.expr]:
    """The names that a class registers by hand, and the keys of its dictionaries where it has a ModuleDict."""
    for call in candidate.nodes(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr in _METHODS:
            yield from call.args[:1]
            yield from (keyword.value for keyword in call.keywords if keyword.arg == "name")
    if "ModuleDict" in candidate.text:
        yield from (key for mapping in candidate.nodes(ast.Dict) for key in mapping.keys if key is not None)
        yield from (each.slice for each in candidate.nodes(ast.Subscript) if isinstance(each.ctx, ast.Store))


@dataclass(frozen=True, slots=True)
class Registration:
    """`self.register_buffer("mask", …)`, or a key of a ModuleDict."""

    by: str  # "register_buffer", "ModuleDict"
    name: cst.BaseExpression
    call: cst.CSTNode

    @property
    def text(self) -> str | None:
        """The name, where it is written out."""
        if isinstance(self.name, cst.SimpleString | cst.ConcatenatedString):
            value = self.name.evaluated_value
            return value if isinstance(value, str) else None
        return None


def registrations(module: ModuleClass) -> tuple[Registration, ...]:
    """All that the class registers under a name it gives. Ask by `module.once(registrations)`."""
    return tuple(_registrations(module))


def _registrations(module: ModuleClass) -> Iterator[Registration]:
    for call in module.nodes(cst.Call):
        match call:
            case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name(method))) if method in _METHODS:
                name = argument(call, "name", 0)
                if name is not None and module.is_self(owner):
                    yield Registration(method, name, call)
            case cst.Call(args=[cst.Arg(value=cst.Dict(elements=items), keyword=None)]):
                if module.name_of(call.func) == "torch.nn.ModuleDict":
                    for item in items:
                        if isinstance(item, cst.DictElement):
                            yield Registration("ModuleDict", item.key, call)
    for target, _ in module.assignments():
        match target:
            case cst.Subscript(value=owner, slice=[cst.SubscriptElement(slice=cst.Index(value=key))]):
                if makers(module).get(module.attribute(owner) or "") == {"torch.nn.ModuleDict"}:
                    yield Registration("ModuleDict", key, target)
