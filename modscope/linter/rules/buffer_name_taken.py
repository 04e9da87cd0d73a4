"""`self.mask = None`, and then `self.register_buffer("mask", …)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.known import MODULE_KINDS, Kind
from modscope.linter.module import ModuleClass
from modscope.linter.naming import OF_MODULE_DICTS, OF_MODULES, Registration, names_given, registrations
from modscope.linter.rule import Match, rule

_KINDS = {
    "register_parameter": frozenset({Kind.PARAMETER}),
    "add_module": MODULE_KINDS,
    "register_module": MODULE_KINDS,
}


def _gives_a_name_twice(candidate: Candidate) -> bool:
    """Whether a name that it registers is one of the class, or one that the same method may have set before."""
    of_class = {target.id for each in candidate.node.body for target in _targets(each)}
    taken = {*OF_MODULE_DICTS, *candidate.facts.methods, *of_class}
    given = [name for name in names_given(candidate) if isinstance(name, ast.Constant)]
    return any(name.value in taken for name in given) or any(
        isinstance(name.value, str) and _is_set_above(name.value, name.lineno, candidate) for name in given
    )


def _is_set_above(attribute: str, line: int, candidate: Candidate) -> bool:
    return any(
        isinstance(target, ast.Attribute) and target.attr == attribute and target.lineno <= line
        for method in candidate.node.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        and method.lineno <= line <= (method.end_lineno or line)
        for each in method.body
        if isinstance(each, ast.Assign | ast.AnnAssign)
        for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
    )


def _targets(statement: ast.stmt) -> Iterator[ast.Name]:
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (target for target in targets if isinstance(target, ast.Name))


@rule(words=("add_module", "register_", "ModuleDict"), trigger=_gives_a_name_twice)
def buffer_name_taken(module: ModuleClass) -> Iterator[Match]:
    """A buffer, parameter or module cannot be registered under a name that the module has already: KeyError.

    That is a plain attribute that was set before, an attribute or method of the class, and whatever `nn.Module` itself
    has (`type`, `float`, `modules`); for a key of a ModuleDict also `keys`, `values`, `pop`.

    Bad:
        class Causal(nn.Module):
            def __init__(self, size):
                super().__init__()
                self.mask = None
                self.register_buffer("mask", torch.ones(size, size).tril())

    Good:
        class Causal(nn.Module):
            def __init__(self, size):
                super().__init__()
                self.register_buffer("mask", torch.ones(size, size).tril())

    Run time: `Causal(4)` raises KeyError, "attribute 'mask' already exists".

    Not reported: attributes that are set in another method or a branch, or deleted; modules that are registered again
    under the name they have, or may be.
    """
    deleted = _deleted(module)
    for each in module.once(registrations):
        name = each.text
        if name is None:
            continue
        if each.by == "ModuleDict":
            taken = name in OF_MODULE_DICTS
        else:
            taken = name in OF_MODULES or name in module.methods
            taken = taken or (deleted is not None and name not in deleted and _is_set_before(name, each, module))
        if taken:
            yield Match(each.name, f"the name {module.code(each.name)} is taken already: KeyError")


def _is_set_before(name: str, registration: Registration, module: ModuleClass) -> bool:
    """Whether the class, or the same method on the way to the registration, has set a plain attribute of this name."""
    method = module.method_of(registration.call)
    before = module.once(_set_first).get((None, name)) or module.once(_set_first).get((method, name))
    if before is None:
        return False
    place, value = before
    ways_on = _KINDS.get(registration.by, frozenset())
    kind = module.kind_of(value)
    may_be_one = kind in ways_on or (bool(ways_on) and kind is None and not _is_plain(value))
    return module.is_before(place, registration.call) and not may_be_one


def _is_plain(value: cst.CSTNode) -> bool:
    """Whether it is certainly no Module and no parameter."""
    return isinstance(value, cst.BaseNumber | cst.BaseString | cst.BaseList | cst.BaseDict | cst.Tuple) or (
        isinstance(value, cst.Name) and value.value in ("None", "True", "False")
    )


def _set_first(module: ModuleClass) -> Mapping[tuple[cst.FunctionDef | None, str], tuple[cst.CSTNode, cst.CSTNode]]:
    """Where a method sets each attribute first, in no branch or loop, and to what; None: the class body itself."""
    found: dict[tuple[cst.FunctionDef | None, str], tuple[cst.CSTNode, cst.CSTNode]] = {}
    for owner in (None, *module.methods.values()):
        body = module.node.body.body if owner is None else owner.body.body
        for statement in body:
            for target, value in (
                module.assignments(statement) if isinstance(statement, cst.SimpleStatementLine) else ()
            ):
                is_name = isinstance(target, cst.Name) and owner is None
                name = target.value if is_name and isinstance(target, cst.Name) else module.attribute(target)
                if name is not None:
                    found.setdefault((owner, name), (statement, value))
    return found


def _deleted(module: ModuleClass) -> set[str | None] | None:
    """The attributes that are deleted; None where any may be."""
    if any(module.name_of(call.func) == "builtins.delattr" for call in module.nodes(cst.Call)):
        return None
    return {module.attribute(each) for delete in module.nodes(cst.Del) for each in module.nodes(cst.Attribute, delete)}
