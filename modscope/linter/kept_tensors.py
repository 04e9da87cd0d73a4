"""Whether `ast` can show that a class keeps no tensor that it makes, so that LibCST need not parse it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Set
from typing import Any

from modscope.linter.candidate import Candidate, parts
from modscope.linter.facts import dotted, statements
from modscope.linter.tensors import FACTORY_NAMES

_LAST_NAMES = frozenset(name.rpartition(".")[2] for name in FACTORY_NAMES)
_REGISTERED = frozenset({"Parameter", "Buffer"})  # what these make of a tensor is no plain attribute


def keeps_tensors(candidate: Candidate) -> bool:
    """Whether `__init__`, or a method that it calls, sets an attribute to what a function like `torch.zeros` makes."""
    made = {call for call in candidate.nodes(ast.Call) if _makes_a_tensor(call, candidate)}
    return bool(made) and bool(_kept(candidate, made))


def leaves_tensors_behind(candidate: Candidate) -> bool:
    """The same for tensors that nobody says the device of, where the attribute is read outside `__init__`."""
    made = candidate.once(_left_where_made)
    kept = _kept(candidate, made) - _set_to_constants(candidate) if made else frozenset()
    return bool(kept) and any(
        isinstance(node, ast.Attribute) and f".{node.attr}" in kept and isinstance(node.ctx, ast.Load)
        for method in candidate.node.body
        if not (isinstance(method, ast.FunctionDef) and method.name == "__init__")
        for node in parts(method)
    )


def _set_to_constants(candidate: Candidate) -> Set[str]:
    """The attributes that `__init__` sets to a constant, at least once."""
    return {
        name
        for method in candidate.node.body
        if isinstance(method, ast.FunctionDef) and method.name == "__init__"
        for statement in statements(method.body)
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Constant)
        for name in _targets(statement)
    }


def makes_tensors(candidate: Candidate, value: ast.expr) -> bool:
    """Whether an expression calls what makes tensors, and does not say on which device."""
    made = candidate.once(_left_where_made)
    return bool(made) and not made.isdisjoint(parts(value)) and _REGISTERED.isdisjoint(_called(parts(value)))


def _left_where_made(candidate: Candidate) -> frozenset[ast.AST]:
    calls = (call for call in candidate.nodes(ast.Call) if _makes_a_tensor(call, candidate))
    return frozenset(call for call in calls if not _may_be_placed(call))


def _makes_a_tensor(call: ast.Call, candidate: Candidate) -> bool:
    func = call.func
    last = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    written = dotted(func) if last in _LAST_NAMES else None
    return written is not None and (candidate.resolve(written) in FACTORY_NAMES or candidate.imports)


def _may_be_placed(call: ast.Call) -> bool:
    return any(each.arg in ("device", None) for each in call.keywords) or any(
        isinstance(each, ast.Starred) for each in call.args
    )


def _called(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Call(ast.Attribute(attr=name)) | ast.Call(ast.Name(name)):
                yield name


def _kept(candidate: Candidate, made: Collection[ast.AST]) -> Set[str]:
    """The attributes that `__init__`, or a method that it calls, sets to one of these, or to what is computed of it."""
    init = candidate.methods.get("__init__", "")
    kept = {
        name
        for method in candidate.node.body
        if isinstance(method, ast.FunctionDef) and (method.name == "__init__" or f".{method.name}(" in init)
        for statement in statements(method.body)
        for name in _targets(statement)
        if name.startswith(".")
    }
    return kept & _computed(candidate, made) if kept else frozenset()


def _computed(candidate: Candidate, made: Collection[ast.AST]) -> Set[str]:
    """The variables (`x`) and attributes (`.x`), by name alone, that are set to one of these or to what it makes."""
    readers: dict[str, list[str]] = {}
    waiting: list[str] = []
    for names, value in _bound(candidate):
        inner = parts(value)
        if _REGISTERED.isdisjoint(_called(inner)):
            for part in inner:
                if part in made:
                    waiting += names
                elif isinstance(part, ast.Name | ast.Attribute):
                    read = part.id if isinstance(part, ast.Name) else f".{part.attr}"
                    readers.setdefault(read, []).extend(names)
    computed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in computed:
            computed.add(name)
            waiting += readers.get(name, ())
    return computed


def _bound(candidate: Candidate) -> Iterator[tuple[list[str], ast.expr]]:
    kinds: tuple[type[Any], ...] = (ast.Assign, ast.AnnAssign, ast.NamedExpr)
    for kind in kinds:
        for node in candidate.nodes(kind):
            if node.value is not None:
                yield [*_targets(node)], node.value
    for call in candidate.nodes(ast.Call):
        match call:
            case ast.Call(ast.Attribute(attr="register_buffer"), [ast.Constant(str(name)), tensor, *_]):
                yield [f".{name}"], tensor


def _targets(node: ast.AST) -> Iterator[str]:
    """The names that an assignment sets."""
    if not isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
        return
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        for each in parts(target):
            if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store):
                yield f".{each.attr}"
            elif isinstance(each, ast.Name):
                yield each.id
