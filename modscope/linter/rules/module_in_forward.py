"""`nn.Linear(4, 4)(x)` in forward."""

from __future__ import annotations

import ast
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.facts import dotted, statements
from modscope.linter.fresh import calls_of_fresh
from modscope.linter.known import Kind
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.weights import has_weights


def _makes_modules(candidate: Candidate) -> bool:
    """Whether a method that is not called from `__init__` makes a Module and does not keep it as an attribute."""
    calls = candidate.nodes_outside_init(ast.Call)
    made = sorted((call for call in calls if _is_module(call, candidate)), key=_line)
    called = set(re.findall(r"\.(\w+)\(", candidate.methods.get("__init__", ""))) if made else set()
    for method in candidate.node.body if made else ():
        if isinstance(method, ast.FunctionDef) and method.name != "__init__" and method.name not in called:
            last = method.end_lineno or method.lineno
            here = made[bisect_left(made, method.lineno, key=_line) : bisect_right(made, last, key=_line)]
            if here and not _kept_parts(method).issuperset(here):
                return True
    return False


def _line(call: ast.Call) -> int:
    return call.lineno


def _kept_parts(method: ast.FunctionDef) -> set[ast.AST]:
    """All that stands in what the method assigns to attributes, but for what is called there at once."""
    assigned = (each for each in statements(method.body) if isinstance(each, ast.Assign))
    kept = (each.value for each in assigned if isinstance(each.targets[0], ast.Attribute))
    parts = {part for value in kept for part in ast.walk(value)}
    called = (each.func for each in parts if isinstance(each, ast.Call) and isinstance(each.func, ast.Call))
    return parts.difference(*(ast.walk(func) for func in called))


def _is_module(call: ast.Call, candidate: Candidate) -> bool:
    written = dotted(call.func)
    if written is None or not written.rpartition(".")[2][0].isupper():
        return False
    full = candidate.index.resolve(written, candidate.facts.scope, from_method=True)
    return full is not None and candidate.index.kind(full) in (Kind.WEIGHTED, Kind.CONTAINER)


@rule(trigger=_makes_modules)
def module_in_forward(module: ModuleClass) -> Iterator[Match]:
    """A module with weights that is made in `forward` has fresh random weights at every call, and never learns.

    It is registered nowhere: the optimizer does not know it, and it is thrown away when `forward` returns.

    Bad:
        class Net(nn.Module):
            def forward(self, x):
                project = nn.Linear(4, 2)
                return project(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.project = nn.Linear(4, 2)

            def forward(self, x):
                return self.project(x)

    Run time: two calls on the same input differ, and `parameters()` is empty.

    Not reported: modules that are kept (made at the first call), returned, handed on, or given weights; modules
    without weights.
    """
    for method in module.reached_from("forward"):
        if method in module.init:
            continue
        for call in module.nodes(cst.Call, within=method):
            if has_weights(module, call) and calls_of_fresh(module, call):
                yield Match(call, f"`{module.code(call.func)}` gets fresh weights at every call of `forward`")
