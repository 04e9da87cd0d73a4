"""Layers are assigned in an `__init__` that never calls `super().__init__()`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.known import MODULE_KINDS, Kind
from modscope.linter.metaclasses import made_by_metaclass
from modscope.linter.module import ModuleClass
from modscope.linter.naming import registrations
from modscope.linter.rule import Change, Insert, Match, Replace, rule

_STANDARD = sys.stdlib_module_names


def _calls_no_init(candidate: Candidate) -> bool:
    if "__init__" not in candidate.facts.methods:
        return False
    called = [call.func for call in candidate.nodes(ast.Call)]
    return not any(
        isinstance(func, ast.Attribute) and func.attr == "__init__" and not _names_no_instance(func.value)
        for func in called
    )


def _names_no_instance(owner: ast.expr) -> bool:
    """`super` or `super(Net)`: an `__init__` called on them reaches no instance."""
    return (isinstance(owner, ast.Name) and owner.id == "super") or (
        isinstance(owner, ast.Call) and _names_no_instance(owner.func) and len(owner.args) == 1
    )


@rule(fix="safe", trigger=_calls_no_init)
def missing_super_init(module: ModuleClass) -> Iterator[Match]:
    """Without `super().__init__()` the first assignment of a module raises AttributeError.

    `nn.Module.__init__` makes the dictionaries in which modules and parameters are registered.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                self.fc = nn.Linear(4, 2)

            def forward(self, x):
                return self.fc(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

            def forward(self, x):
                return self.fc(x)

    Run time: `Net()` raises "cannot assign module before Module.__init__() call".

    The same happens with `super(Net).__init__()`, which lacks `self`, and with `super().__init__`, which is not called.

    Not reported: classes that call any `__init__` of a base, have decorators, a metaclass, an own `__new__` or
    `__setattr__`, or whose bases cannot all be told.

    Fix: safe. It calls `super().__init__()` first; left out where a base class may want arguments.
    """
    init = module.methods.get("__init__")
    if (
        init is None
        or module.node.decorators
        or not _bases_are_known(module)
        or module.has_method("__new__", "__setattr__")
        or made_by_metaclass(module)
    ):
        return
    for name in _registered_in_init(module):
        plain = module.bases == ("torch.nn.Module",)
        yield Match(
            init.name,
            f"`{name}` is registered before `nn.Module.__init__` has run: AttributeError",
            changes=(_call_of_init(init, module),) if plain else (),
            no_fix=None if plain else "a base class may want arguments for its `__init__`",
        )
        return


def _registered_in_init(module: ModuleClass) -> Iterator[str]:
    for method in module.init:
        for target, value in module.assignments(within=method):
            kind = module.kind_of(value)
            if module.attribute(target) and (kind in MODULE_KINDS or kind is Kind.PARAMETER):
                yield module.code(target)
    for each in module.once(registrations):
        if each.by != "ModuleDict" and module.method_of(each.call) in module.init:
            yield module.code(each.name)


def _call_of_init(init: cst.FunctionDef, module: ModuleClass) -> Change:
    """`super().__init__()`: in place of what fails to be that, else as the first statement."""
    for attribute in module.nodes(cst.Attribute, within=init):
        if attribute.attr.value == "__init__":
            call = module.parent(attribute)
            return Replace(call if isinstance(call, cst.Call) else attribute, "super().__init__()")
    return Insert(_first_statement(init), "super().__init__()\n")


def _bases_are_known(module: ModuleClass) -> bool:
    """Whether nothing hides in a base: each is a Module, a class of the project, or one of the standard library."""
    for base in module.bases:
        if base is None:
            return False
        if not (module.index.kind(base) or module.index.find(base).what or base.partition(".")[0] in _STANDARD):
            return False
    return True


def _first_statement(init: cst.FunctionDef) -> cst.CSTNode:
    first, *rest = init.body.body
    is_docstring = isinstance(first, cst.SimpleStatementLine) and init.get_docstring() is not None
    return rest[0] if is_docstring and rest else first
