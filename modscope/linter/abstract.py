"""Methods that are there to be written by those who inherit."""

from __future__ import annotations

from modscope.linter import cst
from modscope.linter.module import ModuleClass


def is_abstract(method: cst.FunctionDef) -> bool:
    """Nothing but a docstring, `...` and a `raise`; or said to be abstract."""
    if any(
        isinstance(each.decorator, cst.Attribute | cst.Name) and _says_so(each.decorator) for each in method.decorators
    ):
        return True
    lines = method.body.body
    parts = [part for line in lines for part in (line.body if isinstance(line, cst.SimpleStatementLine) else [line])]
    return all(
        isinstance(part, cst.Raise)
        or (isinstance(part, cst.Expr) and isinstance(part.value, cst.BaseString | cst.Ellipsis))
        for part in parts
    )


def _says_so(decorator: cst.Attribute | cst.Name) -> bool:
    name = decorator.attr if isinstance(decorator, cst.Attribute) else decorator
    return name.value.startswith("abstract")


def may_be_missing(method: cst.FunctionDef, module: ModuleClass) -> bool:
    """Whether it raises NotImplementedError somewhere: then the class has other ways to be used."""
    raised = (each.exc for each in module.nodes(cst.Raise, within=method))
    called = (each.func if isinstance(each, cst.Call) else each for each in raised)
    return any(isinstance(each, cst.Name) and each.value == "NotImplementedError" for each in called)
