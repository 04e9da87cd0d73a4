"""Modules that a method makes, calls, and lets go."""

from __future__ import annotations

from modscope.linter import cst
from modscope.linter.module import ModuleClass
from modscope.linter.variables import uses, values

_MOVES = frozenset({"to", "cuda", "half", "float", "double", "bfloat16"})


def calls_of_fresh(module: ModuleClass, made: cst.Call) -> list[cst.Call]:
    """The calls of a module that is made here, at once or through a variable of its own.

    Empty when it is used in any other way: kept, returned, handed on, looked into.
    """
    node = _moved(made, module)
    parent = module.parent(node)
    match parent:
        case cst.Call(func=func) if func is node:
            return [parent]
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(name) as target)]):
            function = module.function_of(node)
            if function is None or len(values(module, target)) != 1:
                return []
            calls = []
            for use in uses(module, name, function):
                place = _moved(use, module)
                around = module.parent(place)
                if isinstance(around, cst.Call) and around.func is place:
                    calls.append(around)
                elif not isinstance(around, cst.Expr):
                    return []
            return calls
    return []


def _moved(node: cst.CSTNode, module: ModuleClass) -> cst.CSTNode:
    """The expression with the `.to(device)` behind it."""
    while True:
        attribute = module.parent(node)
        call = module.parent(attribute) if attribute is not None else None
        match call:
            case cst.Call(func=cst.Attribute(attr=cst.Name(name)) as func) if func is attribute and name in _MOVES:
                node = call
            case _:
                return node
