"""`for …: self.add_module("layer", …)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.module import ModuleClass
from modscope.linter.naming import names_given, registrations
from modscope.linter.rule import Match, rule


def _names_in_a_loop(candidate: Candidate) -> bool:
    loops: list[ast.AST] = [*candidate.nodes(ast.For), *candidate.nodes(ast.While)]
    constant = {id(name) for name in names_given(candidate) if isinstance(name, ast.Constant)}
    return bool(constant) and any(id(node) in constant for loop in loops for node in ast.walk(loop))


@rule(words=("add_module", "register_"), trigger=_names_in_a_loop)
def constant_name_in_loop(module: ModuleClass) -> Iterator[Match]:
    """A loop that registers under one name keeps what its last turn made, and loses the rest.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                for size in (4, 8):
                    self.add_module("layer", nn.Linear(size, size))

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                for size in (4, 8):
                    self.add_module(f"layer_{size}", nn.Linear(size, size))

    Run time: `Net()` has one layer.

    Not reported: loops that are left after the first turn, or that use what they register.
    """
    for each in module.once(registrations):
        loop = _loop_around(each.call, module)
        if each.text is None or each.by == "ModuleDict" or loop is None:
            continue
        if not any(module.within(use, loop) for use in module.uses(each.text)):
            yield Match(
                each.name, f"every turn of the loop replaces {module.code(each.name)}: only the last one is kept"
            )


def _loop_around(node: cst.CSTNode, module: ModuleClass) -> cst.CSTNode | None:
    """The loop, in the same function, whose every turn comes here."""
    for above in module.ancestors(node):
        if isinstance(above, cst.For | cst.While):
            leaves = [*module.nodes(cst.Break, above), *module.nodes(cst.Return, above)]
            return None if leaves or not module.within(node, above.body) else above
        if isinstance(above, cst.FunctionDef | cst.If | cst.Try):
            return None
    return None
