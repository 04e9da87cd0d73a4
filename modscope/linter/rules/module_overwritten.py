"""`self.fc = nn.Linear(4, 4)`, and `self.fc = …` again."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from modscope.linter import cst
from modscope.linter.attributes import is_set, uses
from modscope.linter.candidate import Candidate
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.weights import has_weights


def _sets_again(candidate: Candidate) -> bool:
    """Whether an attribute is set twice in one block, or in a loop."""
    blocks: list[Any] = [
        each for kind in (ast.FunctionDef, ast.For, ast.While, ast.If, ast.With) for each in candidate.nodes(kind)
    ]
    for block in blocks:
        for body in (block.body, getattr(block, "orelse", ())):
            names = [name for each in body for name in _set_to_a_call(each)]
            if len(set(names)) < len(names) or (names and isinstance(block, ast.For | ast.While)):
                return True
    return False


def _set_to_a_call(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
        for target in statement.targets:
            if isinstance(target, ast.Attribute):
                yield target.attr


@rule(trigger=_sets_again)
def module_overwritten(module: ModuleClass) -> Iterator[Match]:
    """A submodule that is assigned again before anything has used it is lost, with its weights.

    In a loop every turn replaces what the turn before has made: of many layers one is left.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                for size in (4, 8):
                    self.layer = nn.Linear(size, size)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList([nn.Linear(size, size) for size in (4, 8)])

    Run time: `Net()` has the parameters of one layer.

    Not reported: assignments in different branches, attributes that are read in between (handed on, put into a list,
    wrapped), loops that are left after the first turn, modules without weights.
    """
    for method in module.init:
        for block in module.nodes(cst.IndentedBlock, within=method.body):
            yield from _overwritten(block.body, isinstance(module.parent(block), cst.For | cst.While), module)


def _overwritten(block: Sequence[cst.CSTNode], is_loop: bool, module: ModuleClass) -> Iterator[Match]:
    made: dict[str, cst.CSTNode] = {}
    handed_on = _hands_itself_on(block, module)
    is_walked = is_loop and not handed_on and not _leaves(block, module)
    for statement in block:
        for name, target in _made(statement, module):
            before = made.get(name)
            if (
                before is not None
                and not _is_read(name, before, statement, target, module)
                and not any(module.between(each, before, statement) for each in handed_on)
            ):
                yield Match(target, f"this replaces the module that `self.{name}` was set to before anything used it")
            elif is_walked and not _is_read(name, block[0], block[-1], target, module):
                yield Match(target, f"every turn of the loop replaces `self.{name}`: only the last module is kept")
            made[name] = statement


def _made(statement: cst.CSTNode, module: ModuleClass) -> Iterator[tuple[str, cst.BaseExpression]]:
    if isinstance(statement, cst.SimpleStatementLine):
        for target, value in module.assignments(within=statement):
            name = module.attribute(target)
            if name is not None and has_weights(module, value):
                yield name, target


def _is_read(name: str, first: cst.CSTNode, last: cst.CSTNode, target: cst.CSTNode, module: ModuleClass) -> bool:
    """Whether anything between two statements, other than being set, may look at the attribute."""
    return any(
        use is not target and not (module.within(use, first) and is_set(module, use))
        for use in uses(module, name)
        if module.between(use, first, last)
    )


def _hands_itself_on(block: Sequence[cst.CSTNode], module: ModuleClass) -> list[cst.Name]:
    """Where the instance itself is given to something that may look at every attribute."""
    names = (name for statement in block for name in module.nodes(cst.Name, within=statement))
    return [name for name in names if module.is_self(name) and not isinstance(module.parent(name), cst.Attribute)]


def _leaves(block: Sequence[cst.CSTNode], module: ModuleClass) -> bool:
    return any(module.nodes(kind, within=each) for each in block for kind in (cst.Break, cst.Return))
