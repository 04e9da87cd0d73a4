"""How the facts of a file are collected from its tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from modscope.linter.facts import (
    ClassFacts,
    FileFacts,
    Function,
    FunctionFacts,
    Scope,
    TableFacts,
    Targets,
    absolute,
    dotted,
    holds_class,
    lines,
    statements,
)
from modscope.linter.known import NAMED_TUPLES
from modscope.linter.places import Place
from modscope.linter.results import factories, of_function, tables


def highest_relative_import(tree: ast.Module, data: bytes) -> int:
    """The most dots any from-import of the file starts with."""
    written = max((dots.count(b".") for dots in _RELATIVE.findall(data)), default=0)  # comments and strings included
    highest = 0
    for statement in statements(tree.body, deep=True):
        if highest == written:
            break
        if type(statement) is ast.ImportFrom:
            highest = max(highest, statement.level)
    return highest


_RELATIVE = re.compile(rb"from((?:[\s\\]*\.)+)")


def collect(tree: ast.Module, path: str, dots: int, place: Place) -> FileFacts:
    """The facts of a parsed file."""
    collector = _Collector(place.module, place.package)
    scope = collector.scope(tree.body, "", None)
    return FileFacts(path, dots, place, scope, collector.classes, collector.functions, collector.tables)


def scope_of_function(node: Function, facts: FileFacts, outer: Scope) -> Scope:
    """The names bound in a function's own scope."""
    return _Collector(facts.module, facts.place.package).scope(
        node.body, f"{node.name}.", outer, _parameters(node.args)
    )


class _Collector:
    def __init__(self, module: str, package: str) -> None:
        self.module = module
        self.package = package
        self.classes: dict[str, ClassFacts] = {}
        self.functions: dict[str, FunctionFacts] = {}
        self.tables: dict[str, TableFacts] = {}

    def scope(
        self,
        body: list[ast.stmt],
        inside: str,
        outer: Scope | None,
        parameters: Iterable[str] = (),
        *,
        of_class: bool = False,
    ) -> Scope:
        """Collect the bindings of one scope, and the classes and scopes in it."""
        bound: dict[str, Targets] = dict.fromkeys(parameters, (None,))
        stars: list[str] = []
        within: list[ast.ClassDef | Function] = []
        for statement in statements(body):
            self.bind(statement, inside, bound, stars)
            if isinstance(statement, ast.ClassDef | Function):
                within.append(statement)
        scope = Scope(bound, tuple(stars), outer, of_class)
        for name, values in tables(body) if outer is None else ():
            if bound[name] == (None,):
                self.tables[name] = TableFacts(values, scope)
                bound[name] = (f"{self.module}.{name}",)
        for name, called in factories(body).items() if outer is None else ():
            if bound[name] == (None,):
                self.functions[name] = FunctionFacts(called, scope)
                bound[name] = (f"{self.module}.{name}",)
        for node in within:
            if isinstance(node, ast.ClassDef):
                self.add_class(node, inside, scope)
                continue
            if holds_class(node.body):
                self.scope(node.body, f"{inside}{node.name}.", scope, _parameters(node.args))
            if not of_class:
                self.functions[f"{inside}{node.name}"] = of_function(node, scope)
        return scope

    def add_class(self, node: ast.ClassDef, inside: str, scope: Scope) -> None:
        name = f"{inside}{node.name}"
        methods = [each for each in statements(node.body) if isinstance(each, Function)]
        self.classes[name] = ClassFacts(
            name,
            tuple(name for base in node.bases for name in _base(base)),
            scope,
            lines(node),
            frozenset(method.name for method in methods),
            tuple(pair for method in methods for pair in _assigned(method)),
            next((dotted(each.value) or "" for each in node.keywords if each.arg == "metaclass"), None),
        )
        self.scope(node.body, f"{name}.", scope, of_class=True)

    def bind(self, statement: ast.stmt, inside: str, bound: dict[str, Targets], stars: list[str]) -> None:
        """Note what names the statement binds, and to what."""

        def add(name: str, target: str | None) -> None:
            known = bound.get(name, ())
            if target not in known:
                bound[name] = (*known, target)

        match statement:
            case ast.Import(names):
                for alias in names:
                    add(*imported(alias.name, alias.asname))
            case ast.ImportFrom(module, names, level):
                source = absolute(self.package, module or "", level)
                for alias in names:
                    if alias.name == "*":
                        stars.append(source)
                    else:
                        add(alias.asname or alias.name, f"{source}.{alias.name}")
            case ast.ClassDef(name) | ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                add(name, f"{self.module}.{inside}{name}")
            case ast.Assign(targets, value):
                for target in targets:
                    self.assign(target, value, bound, add)
            case ast.AnnAssign(target, _, value) if value is not None:
                self.assign(target, value, bound, add)
            case ast.AugAssign(target) | ast.For(target) | ast.AsyncFor(target):
                for name in _names(target):
                    add(name, None)
            case ast.With(items) | ast.AsyncWith(items):
                for name in (name for item in items if item.optional_vars for name in _names(item.optional_vars)):
                    add(name, None)

    def assign(self, target: ast.expr, value: ast.expr, bound: Mapping[str, Targets], add: Add) -> None:
        if _stands_in(value):
            return
        match target, value:
            case ast.Tuple(names) | ast.List(names), ast.Tuple(values) | ast.List(values) if _pairs(names, values):
                for one, its in zip(names, values, strict=True):
                    self.assign(one, its, bound, add)
            case ast.Name(name), ast.IfExp():
                for branch in _branches(value):
                    add(name, self.alias(branch, bound))
            case _:
                for each in _names(target):
                    add(each, self.alias(value, bound) if isinstance(target, ast.Name) else None)

    def alias(self, value: ast.expr, bound: Mapping[str, Targets]) -> str | None:
        """What `Linear = nn.Linear` makes of `Linear`, and `Pair = namedtuple(...)` of `Pair`."""
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name | ast.Attribute):
            return NAMED_TUPLES.get(self.alias(value.func, bound) or "")
        root, _, rest = (dotted(value) or "").partition(".")
        known = bound.get(root, ())
        if len(known) != 1 or known[0] is None:
            return None
        return f"{known[0]}.{rest}" if rest else known[0]


class Add(Protocol):
    def __call__(self, name: str, target: str | None) -> None: ...


def imported(name: str, asname: str | None) -> tuple[str, str]:
    """The name that `import a.b` or `import a.b as c` binds, and what it stands for."""
    return (asname, name) if asname else (name.partition(".")[0],) * 2


def _stands_in(value: ast.expr) -> bool:
    """`nn = None`, `Module = object`: stand-ins for an import that failed leave a name what it is elsewhere."""
    return isinstance(value, ast.Constant) or (isinstance(value, ast.Name) and value.id == "object")


def _branches(value: ast.expr) -> list[ast.expr]:
    """What `a if b else c` may be, stand-ins left out."""
    waiting, ends = [value], []
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.IfExp):
            waiting += (each.orelse, each.body)
        elif not _stands_in(each):
            ends.append(each)
    return ends


def _base(base: ast.expr) -> Targets:
    """The classes that one base of a class statement stands for."""
    match base:
        case ast.Subscript(generic):
            return (dotted(generic),)
        case ast.IfExp():
            ends = _branches(base)
            return (dotted(ends[0]) if len(ends) == 1 else None,)
        case ast.Call(called, [_, *bases]) if (dotted(called) or "").rpartition(".")[2] == "with_metaclass":
            return tuple(dotted(each) for each in bases)
    return (dotted(base),)


def _pairs(names: list[ast.expr], values: list[ast.expr]) -> bool:
    """Whether `a, b = c, d` gives each name a value of its own."""
    return len(names) == len(values) and not any(isinstance(each, ast.Starred) for each in (*names, *values))


def _names(target: ast.expr) -> Iterator[str]:
    stack = [target]
    while stack:
        match stack.pop():
            case ast.Name(name):
                yield name
            case ast.Tuple(elements) | ast.List(elements):
                stack.extend(elements)
            case ast.Starred(value):
                stack.append(value)


def _parameters(arguments: ast.arguments) -> list[str]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [each.arg for each in every if each is not None]


def _assigned(method: Function) -> Iterator[tuple[str, str | None]]:
    """What a method sets on its first parameter, and the call it sets it to."""
    first = [*method.args.posonlyargs, *method.args.args][:1]
    if not first:
        return
    own = first[0].arg
    for statement in statements(method.body):
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == own:
                yield target.attr, dotted(value.func) if isinstance(value, ast.Call) else None
