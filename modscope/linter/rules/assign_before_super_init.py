"""A layer is assigned above `super().__init__()`."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.facts import dotted
from modscope.linter.known import MODULE_KINDS, Kind
from modscope.linter.metaclasses import made_by_metaclass
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Insert, Match, Remove, rule

_REGISTERING = frozenset({"add_module", "register_buffer", "register_module", "register_parameter"})


def _assigns_first(candidate: Candidate) -> bool:
    """Whether `__init__` assigns a Module or parameter above the first call of an `__init__`."""
    index, scope = candidate.index, candidate.facts.scope
    for init in candidate.node.body:
        if not (isinstance(init, ast.FunctionDef) and init.name == "__init__"):
            continue
        for statement in init.body:
            if any(isinstance(each, ast.Attribute) and each.attr == "__init__" for each in ast.walk(statement)):
                break
            for call in ast.walk(statement):
                written = dotted(call.func) if isinstance(call, ast.Call) else None
                full = written and index.resolve(written, scope, from_method=True)
                kind = index.kind(full) if full else None
                if kind in MODULE_KINDS or kind is Kind.PARAMETER:
                    return True
                if written and written.rpartition(".")[2] in _REGISTERING:
                    return True
    return False


@rule(fix="unsafe", trigger=_assigns_first)
def assign_before_super_init(module: ModuleClass) -> Iterator[Match]:
    """A module that is assigned before `super().__init__()` raises AttributeError.

    `nn.Module.__init__` makes the dictionaries in which modules and parameters are registered. Numbers, strings and
    tensors may be assigned earlier, modules, parameters and buffers may not.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                self.fc = nn.Linear(4, 2)
                super().__init__()

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

    Not reported: an `__init__` in which any other call of an `__init__` comes first, classes with a metaclass or
    an own `__setattr__`; files called `modular_*.py`, the templates that transformers writes its models from: nobody
    imports them, and what is written from them has another order.

    Fix: unsafe. It moves `super().__init__()` to the top of the method, above code that may have prepared something
    for it; left out where the call takes arguments.
    """
    init = module.methods.get("__init__")
    if init is None or not isinstance(init.body, cst.IndentedBlock) or module.has_method("__setattr__"):
        return
    if made_by_metaclass(module) or os.path.basename(module.index.facts.path).startswith("modular_"):
        return
    for at, statement in enumerate(init.body.body):
        calls = [call for call in module.nodes(cst.Call, within=statement) if _is_init(call)]
        if calls:
            if isinstance(statement, cst.SimpleStatementLine):
                yield from _above(init.body.body[:at], statement, calls[0], module)
            return


def _above(
    earlier: Sequence[cst.BaseStatement], statement: cst.SimpleStatementLine, call: cst.Call, module: ModuleClass
) -> Iterator[Match]:
    for each in earlier:
        for node in _registrations(each, module):
            movable = not call.args and len(statement.body) == 1
            yield Match(
                node,
                f"`{module.code(node)}` is set before `{module.code(call)}`: AttributeError",
                changes=(Insert(earlier[0], f"{module.code(call)}\n"), Remove(statement)) if movable else (),
                no_fix=None if movable else "the arguments of `__init__` may need what is computed above it",
            )
            return


def _registrations(statement: cst.BaseStatement, module: ModuleClass) -> Iterator[cst.CSTNode]:
    for target, value in module.assignments(within=statement):
        kind = module.kind_of(value)
        if module.attribute(target) and (kind in MODULE_KINDS or kind is Kind.PARAMETER):
            yield target
    for call in module.nodes(cst.Call, within=statement):
        if module.attribute(call.func) in _REGISTERING:
            yield call.func


def _is_init(call: cst.Call) -> bool:
    return isinstance(call.func, cst.Attribute) and call.func.attr.value == "__init__"
