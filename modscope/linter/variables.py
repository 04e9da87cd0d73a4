"""What a class's attributes and its functions' own variables are set to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from modscope.linter import cst
from modscope.linter.module import ModuleClass


@dataclass(frozen=True, slots=True)
class Binding:
    """One place where a variable is bound: to a value, to each element of an iterable, or to what nothing shows."""

    name: cst.Name
    value: cst.BaseExpression | None = None
    iterable: cst.BaseExpression | None = None


Variable = tuple["cst.FunctionDef | None", str]  # a name in a function


def all_bindings(module: ModuleClass) -> Mapping[Variable, list[Binding]]:
    """Every variable of the class's functions -> where it is bound. Ask by `module.once(all_bindings)`."""
    found: dict[Variable, list[Binding]] = {}
    for binding in module.once(_bound).values():
        found.setdefault((module.function_of(binding.name), binding.name.value), []).append(binding)
    return found


def bindings(module: ModuleClass, name: cst.Name) -> list[Binding]:
    """All bindings of a variable in the function around it; empty for one that it does not bind."""
    function = module.function_of(name)
    return module.once(all_bindings).get((function, name.value), []) if function else []


def values(module: ModuleClass, name: cst.Name) -> list[cst.BaseExpression | None]:
    """What a variable is set to in the function around it; None for what is no plain assignment."""
    return [binding.value for binding in bindings(module, name)]


def uses(module: ModuleClass, name: str, function: cst.FunctionDef) -> list[cst.Name]:
    """The places where a function, or one inside it, reads a variable."""
    return module.once(_uses).get((function, name), [])


def makers(module: ModuleClass) -> Mapping[str, set[str | None]]:
    """Attribute -> the full names of what its values are made by, in this class; None for any other value."""
    return module.once(_makers)


def _makers(module: ModuleClass) -> Mapping[str, set[str | None]]:
    made: dict[str, set[str | None]] = {}
    for target, value in module.assignments():
        if (name := module.attribute(target)) is not None:
            made.setdefault(name, set()).add(module.name_of(value.func) if isinstance(value, cst.Call) else None)
    return made


def _bound(module: ModuleClass) -> Mapping[cst.Name, Binding]:
    bound: dict[cst.Name, Binding] = {}

    def add(
        target: cst.CSTNode, value: cst.BaseExpression | None = None, iterable: cst.BaseExpression | None = None
    ) -> None:
        """`x` in `x[0]` and `x.y` is read, not bound."""
        match target:
            case cst.Name():
                bound[target] = Binding(target, value, iterable)
            case cst.Tuple(elements=elements) | cst.List(elements=elements):
                for element in elements:
                    add(element.value, iterable=value)

    for target, value in module.assignments():
        add(target, value)
    for walrus in module.nodes(cst.NamedExpr):
        add(walrus.target, walrus.value)
    loops: list[cst.For | cst.CompFor] = [*module.nodes(cst.For), *module.nodes(cst.CompFor)]
    for loop in loops:
        add(loop.target, iterable=loop.iter)
    for param in module.nodes(cst.Param):
        add(param.name)
    for augmented in module.nodes(cst.AugAssign):
        add(augmented.target)
    for alias in module.nodes(cst.AsName):
        add(alias.name)
    return bound


def _uses(module: ModuleClass) -> Mapping[Variable, list[cst.Name]]:
    bound = module.once(_bound)
    found: dict[Variable, list[cst.Name]] = {}
    for name in module.nodes(cst.Name):
        if name not in bound:
            for above in module.ancestors(name):
                if isinstance(above, cst.FunctionDef):
                    found.setdefault((above, name.value), []).append(name)
    return found
