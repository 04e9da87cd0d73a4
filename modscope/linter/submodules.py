"""Which expressions certainly are modules that the instance holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from modscope.linter import cst
from modscope.linter.known import MODULE_KINDS
from modscope.linter.module import ModuleClass
from modscope.linter.tensors import settle
from modscope.linter.variables import Binding, Variable, all_bindings, bindings, makers

_SEQUENCES = frozenset({"torch.nn.ModuleList", "torch.nn.Sequential"})
_CONTAINERS = _SEQUENCES | {"torch.nn.ModuleDict"}


def is_submodule(module: ModuleClass, node: cst.CSTNode | None) -> bool:
    """Whether it is a registered module, one of a container's, or a variable that holds such or walks over them."""
    return _is_submodule(module, node, module.once(_submodule_variables))


def _submodule_variables(module: ModuleClass) -> frozenset[Variable]:
    """The variables that hold nothing but submodules: each does until a binding shows otherwise."""
    every = module.once(all_bindings)
    variables = set(every)
    settle(module, every, variables.discard, lambda binding: not _is_bound_to_submodule(module, binding, variables))
    return frozenset(variables)


def _is_submodule(module: ModuleClass, node: cst.CSTNode | None, variables: Collection[Variable]) -> bool:
    match node:
        case cst.Attribute():
            return module.registered.get(module.attribute(node) or "") in MODULE_KINDS
        case cst.Subscript(value=whole):
            return _made_by(module, whole) <= _CONTAINERS
        case cst.Name(value=name):
            return (module.function_of(node), name) in variables
    return False


def _is_bound_to_submodule(module: ModuleClass, binding: Binding, variables: Collection[Variable]) -> bool:
    value = binding.value
    if value is not None:
        is_chain = isinstance(value, cst.Name)
        return not is_chain and (module.makes_module(value) or _is_submodule(module, value, variables))
    match binding.iterable:
        case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name("children" | "modules")), args=[]):
            return module.is_self(owner) or _is_submodule(module, owner, variables)
        case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name("values")), args=[]):
            return _made_by(module, owner) == {"torch.nn.ModuleDict"}
        case cst.Attribute() as attribute:
            return _made_by(module, attribute) <= _SEQUENCES
    return False


def _made_by(module: ModuleClass, node: cst.CSTNode) -> set[str | None]:
    """What the values of `self.x` are made by; {None} for anything else."""
    return makers(module).get(module.attribute(node) or "", {None})


def classes_of(module: ModuleClass, node: cst.CSTNode | None) -> set[str | None]:
    """The full names of what a submodule may be made by; None for what the class does not show."""
    match node:
        case cst.Attribute():
            return makers(module).get(module.attribute(node) or "", set())
        case cst.Subscript(value=whole):
            return _element_classes(module, whole)
        case cst.Name(value=name):
            known = module.once(_classes_of_variables)
            variable = (module.function_of(node), name)
            if variable in known:
                return known[variable]
            found = known[variable] = set()
            for binding in bindings(module, node):
                source = binding.iterable
                if isinstance(source, cst.Call) and isinstance(source.func, cst.Attribute):
                    source = source.func.value  # `self.heads.values()`
                if binding.value is None:
                    found |= _element_classes(module, source)
                elif isinstance(binding.value, cst.Call):
                    found.add(module.name_of(binding.value.func))
                else:
                    found |= classes_of(module, binding.value)
            return found
    return {None}


def _classes_of_variables(module: ModuleClass) -> dict[Variable, set[str | None]]:
    """What `classes_of` has found out."""
    return {}


def _element_classes(module: ModuleClass, container: cst.CSTNode | None) -> set[str | None]:
    """What the elements of `self.x` are made by, as far as they are made where it is set or appended to."""
    name = module.attribute(container)
    return module.once(_classes_in_containers).get(name or "") or {None}


def _classes_in_containers(module: ModuleClass) -> Mapping[str, set[str | None]]:
    places: list[tuple[str | None, cst.CSTNode]] = [
        (module.attribute(target), arg)
        for target, value in module.assignments()
        if isinstance(value, cst.Call)
        for arg in value.args
    ]
    for call in module.nodes(cst.Call):
        match call.func:
            case cst.Attribute(value=owner, attr=cst.Name("append")):
                places += [(module.attribute(owner), arg) for arg in call.args]
    found: dict[str, set[str | None]] = {}
    for name, place in places:
        for call in module.nodes(cst.Call, within=place) if name is not None else ():
            if module.makes_module(call):
                found.setdefault(name or "", set()).add(module.name_of(call.func))
    return found
