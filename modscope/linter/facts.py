"""What `ast` says of a file: its imports, its classes and their bases. Facts only; no tree outlives its file."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from modscope.linter.places import Place

Function = ast.FunctionDef | ast.AsyncFunctionDef
Targets = tuple[str | None, ...]  # what a name may stand for: full dotted names; None: something else


@dataclass(frozen=True, slots=True)
class Scope:
    """The names bound in one scope, and the scope around it."""

    bound: Mapping[str, Targets]
    stars: tuple[str, ...] = ()  # modules star-imported here
    outer: Scope | None = None
    of_class: bool = False  # a class body: its names are not seen from its methods

    def find(self, name: str, *, from_method: bool = False) -> Targets | None:
        """What the name stands for, in this scope or around it; None when nothing binds it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bound and not (from_method and scope.of_class):
                return scope.bound[name]
            scope, from_method = scope.outer, True  # of the classes around a scope no name is seen in it
        return None

    def all_stars(self) -> Iterator[str]:
        """The star-imported modules, the latest first."""
        scope: Scope | None = self
        while scope is not None:
            yield from reversed(scope.stars)
            scope = scope.outer


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """A class statement: where it stands, what it says it inherits, what it assigns."""

    name: str  # in its file: "Net", "Outer.Net", "build.Net"
    bases: tuple[str | None, ...]  # as written, "nn.Module"; None for what is no dotted name
    scope: Scope = field(repr=False)  # the one the class statement stands in
    lines: tuple[int, int]  # first (decorators included) and last, from 1
    methods: frozenset[str]
    assigned: tuple[tuple[str, str | None], ...]  # attributes that methods set on self, and the dotted name they call
    metaclass: str | None = None  # as written; "" for what is no dotted name


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """A function outside classes: what it gives back."""

    returns: Targets  # dotted names, as written, of what its return statements call; None for anything else
    scope: Scope = field(repr=False)
    container: str | None = None  # "list", "tuple" or "dict", where it returns nothing but these
    elements: Targets = ()  # of what it puts into them: the dotted names called; None for anything else


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A dict outside functions whose values are called: `{"relu": nn.ReLU}`."""

    returns: Targets  # dotted names, as written, of what its values call or are; None for anything else
    scope: Scope = field(repr=False)


@dataclass(frozen=True)
class FileFacts:
    """A source file as seen from outside."""

    path: str  # absolute; "" for a text without a file
    dots: int  # how far its relative imports go up
    place: Place = field(repr=False)
    scope: Scope
    classes: Mapping[str, ClassFacts]
    functions: Mapping[str, FunctionFacts]
    tables: Mapping[str, TableFacts]

    @property
    def module(self) -> str:
        """Its dotted name: "pkg.models.net"."""
        return self.place.module

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders in which its absolute imports are looked up."""
        return self.place.roots

    def absolute(self, module: str, level: int) -> str:
        """The dotted name of the module that `from ..module import` reads."""
        return absolute(self.place.package, module, level)


def absolute(package: str, module: str, level: int) -> str:
    """A relative module name made absolute; `level` counts the dots."""
    if not level:
        return module
    parts = package.split(".") if package else []
    parts = parts[: max(0, len(parts) - level + 1)]
    return ".".join([*parts, module] if module else parts)


def highest_relative_import(tree: ast.Module) -> int:
    """The most dots any from-import of the file starts with."""
    levels = [node.level for node in statements(tree.body, deep=True) if isinstance(node, ast.ImportFrom)]
    return max(levels, default=0)


def collect(tree: ast.Module, path: str, dots: int, place: Place) -> FileFacts:
    """The facts of a parsed file."""
    collector = _Collector(place.module, place.package)
    scope = collector.scope(tree.body, "", None)
    return FileFacts(path, dots, place, scope, collector.classes, collector.functions, collector.tables)


def lines(node: ast.ClassDef) -> tuple[int, int]:
    """The first line of a class statement, decorators included, and the last."""
    return min([node.lineno, *(each.lineno for each in node.decorator_list)]), node.end_lineno or node.lineno


def scope_of_function(node: Function, facts: FileFacts, outer: Scope) -> Scope:
    """The names bound in a function's own scope."""
    return _Collector(facts.module, facts.place.package).scope(
        node.body, f"{node.name}.", outer, _parameters(node.args)
    )


def dotted(node: ast.expr) -> str | None:
    """`a.b.c` as text; None for any other expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    parts.append(node.id)
    return ".".join(reversed(parts))


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
        for name, values in _tables(body) if outer is None else ():
            if bound[name] == (None,):
                self.tables[name] = TableFacts(values, scope)
                bound[name] = (f"{self.module}.{name}",)
        for node in within:
            if isinstance(node, ast.ClassDef):
                self.add_class(node, inside, scope)
                continue
            if any(isinstance(each, ast.ClassDef) for each in statements(node.body, deep=True)):
                self.scope(node.body, f"{inside}{node.name}.", scope, _parameters(node.args))
            if not of_class:
                self.functions[f"{inside}{node.name}"] = _function(node, scope)
        return scope

    def add_class(self, node: ast.ClassDef, inside: str, scope: Scope) -> None:
        name = f"{inside}{node.name}"
        methods = [each for each in statements(node.body) if isinstance(each, Function)]
        self.classes[name] = ClassFacts(
            name,
            tuple(dotted(base.value if isinstance(base, ast.Subscript) else base) for base in node.bases),
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
        # `nn = None`, `Module = object`: stand-ins for an import that failed leave the name what it is elsewhere
        if isinstance(value, ast.Constant) or (isinstance(value, ast.Name) and value.id == "object"):
            return
        for name in _names(target):
            add(name, self.alias(value, bound) if isinstance(target, ast.Name) else None)

    def alias(self, value: ast.expr, bound: Mapping[str, Targets]) -> str | None:
        """What `Linear = nn.Linear` makes of `Linear`."""
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


def statements(body: list[ast.stmt], *, deep: bool = False) -> Iterator[ast.stmt]:
    """The statements of one scope in their order, those in its `if`, `try`, `with` and loops included.

    `deep` goes on into functions and classes.
    """
    stack = body[::-1]
    while stack:
        statement = stack.pop()
        yield statement
        kind = type(statement)
        if kind in _SIMPLE or (not deep and kind in _SCOPES):
            continue
        for name in ("finalbody", "orelse"):
            stack += getattr(statement, name, ())[::-1]
        for part in (*getattr(statement, "cases", ()), *getattr(statement, "handlers", ()))[::-1]:
            stack += part.body[::-1]
        stack += getattr(statement, "body", ())[::-1]


_SCOPES = frozenset({ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef})
_SIMPLE = frozenset({ast.Assign, ast.Expr, ast.Return, ast.AugAssign, ast.AnnAssign, ast.Import, ast.ImportFrom})


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


def _tables(body: list[ast.stmt]) -> Iterator[tuple[str, Targets]]:
    """The dicts that a body sets names to, and what calling their values calls."""
    for statement in body:
        match statement:
            case ast.Assign([ast.Name(name)], ast.Dict(_, [_, *_] as values)) | ast.AnnAssign(
                ast.Name(name), value=ast.Dict(_, [_, *_] as values)
            ):
                yield name, tuple(dict.fromkeys(_callee(value) for value in values if not _is_none(value)))


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _callee(value: ast.expr) -> str | None:
    """What a call of an expression calls: a class, the class in a lambda or a partial."""
    match value:
        case ast.Lambda(_, ast.Call(called)):
            return dotted(called)
        case ast.Call(ast.Name("partial") | ast.Attribute(attr="partial"), [made, *_]):
            return dotted(made)
    return dotted(value)


def _assigned(method: Function) -> Iterator[tuple[str, str | None]]:
    """What a method sets on its first parameter, and the call it sets it to."""
    first = [*method.args.posonlyargs, *method.args.args][:1]
    if not first:
        return
    for statement in statements(method.body):
        match statement:
            case ast.Assign(targets, value) | ast.AnnAssign(target=ast.expr() as targets, value=ast.expr() as value):
                called = dotted(value.func) if isinstance(value, ast.Call) else None
                for target in targets if isinstance(targets, list) else [targets]:
                    match target:
                        case ast.Attribute(ast.Name(owner), name) if owner == first[0].arg:
                            yield name, called


def _returns(function: Function) -> Targets:
    """The calls whose results a function returns, directly or through a variable it has just made."""
    made: dict[str, str | None] = {}
    returned: dict[str | None, None] = {}
    for statement in statements(function.body):
        match statement:
            case ast.Assign([ast.Name(name)], value):
                made[name] = dotted(value.func) if isinstance(value, ast.Call) else None
            case ast.Return(ast.Call(called)):
                returned[dotted(called)] = None
            case ast.Return(ast.Name(name)):
                returned[made.get(name)] = None
            case ast.Return(value) if not (value is None or isinstance(value, ast.Constant)):
                returned[None] = None
    return tuple(returned)


def _function(node: Function, scope: Scope) -> FunctionFacts:
    returns = _returns(node)
    return FunctionFacts(returns, scope, *(_contents(node) if None in returns else ()))


_CONTAINERS: dict[type[ast.expr], str] = {
    ast.List: "list",
    ast.ListComp: "list",
    ast.Tuple: "tuple",
    ast.Dict: "dict",
    ast.DictComp: "dict",
}


def _contents(function: Function) -> tuple[str | None, Targets]:
    """The plain container that a function returns, directly or by its variable, and what is called for its elements."""
    values: dict[str, list[ast.expr]] = {}  # of its variables
    fillings: dict[str, list[ast.expr]] = {}
    returned: list[ast.expr] = []
    for statement in statements(function.body):
        match statement:
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), value=ast.expr() as value):
                values.setdefault(name, []).append(value)
            case ast.Assign([ast.Subscript(ast.Name(name))], value):
                fillings.setdefault(name, []).append(value)
            case ast.AugAssign(ast.Name(name), ast.Add(), value):
                fillings.setdefault(name, []).append(value)
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), "append" | "extend" | "insert"), [*_, value])):
                fillings.setdefault(name, []).append(value)
            case ast.Return(value) if value is not None:
                returned.append(value)
    waiting = [*returned]
    shapes = set()
    for value in returned:
        if isinstance(value, ast.Name):
            shapes |= {_CONTAINERS.get(type(each)) for each in values.get(value.id, (value,))}
            waiting += fillings.get(value.id, ())
        else:
            shapes.add(_CONTAINERS.get(type(value)))
    if len(shapes) != 1 or None in shapes:
        return None, ()
    return shapes.pop(), tuple(dict.fromkeys(_called(waiting, values)))


def _called(waiting: list[ast.expr], values: Mapping[str, list[ast.expr]]) -> Iterator[str | None]:
    """The calls that make these values, or what stands in them."""
    seen: set[ast.expr] = set()
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        match value:
            case ast.Call(called):
                yield dotted(called)
            case ast.Name(name) if name in values:
                waiting += values[name]
            case ast.List(elements) | ast.Tuple(elements) | ast.Dict(_, elements):
                waiting += elements
            case ast.ListComp(element) | ast.DictComp(_, element) | ast.Starred(element):
                waiting.append(element)
            case ast.IfExp(_, one, other):
                waiting += (one, other)
            case ast.Constant(None):
                pass
            case _:
                yield None
