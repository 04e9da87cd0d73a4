"""Whether `ast` can show that a class keeps no Module in a plain container, so that LibCST need not parse it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from modscope.linter.candidate import Candidate, parts
from modscope.linter.definitions import is_named_tuple, puts_of_base
from modscope.linter.facts import Function, FunctionFacts, dotted, statements
from modscope.linter.known import MODULE_KINDS, Kind

_Place = tuple[str, str]  # ("self", attribute) or (method, variable)
_How = Literal["whole", "filling", "part"]
_Value = tuple[ast.expr, str]  # an expression, and the method that it stands in

_MAKERS = frozenset(
    {"list", "tuple", "set", "frozenset", "dict", "sorted", "deque", "OrderedDict", "defaultdict", "sum"}
)
_LITERALS = (ast.List, ast.ListComp, ast.Tuple, ast.Set, ast.SetComp, ast.Dict, ast.DictComp)
_CALLING = frozenset({"map", "partial"})  # these call their first argument
_FILLERS = frozenset({"append", "extend", "insert", "add", "appendleft", "extendleft", "update", "setdefault"})


def may_keep_modules(candidate: Candidate) -> bool:
    """Whether some attribute may be a plain container with a Module or parameter that was made here."""
    return _Search(candidate).found()


@dataclass(slots=True)
class _Content:
    """What a variable or an attribute may be: whatever it is ever given."""

    values: list[_Value] = field(default_factory=list)
    filled: list[_Value] = field(default_factory=list)  # what is put into it
    wholes: list[_Value] = field(default_factory=list)  # what it is a part of: `for x in whole`
    aliases: list[_Place] = field(default_factory=list)  # variables for it, or for a part of it


class _Search:
    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.methods = candidate.facts.methods
        self.places: dict[_Place, _Content] = {}
        self.arguments: set[_Place] = set()  # of methods other than `__init__`: they may be anything
        self.callables: set[_Place] = set()  # names that may make anything when they are called
        self.nested: set[_Place] = set()  # functions within methods
        self.class_names: set[str] = set()  # attributes of the class itself, of whatever value
        self.passed: set[tuple[str, str]] = set()  # attributes, and the own methods that they are given to
        self.seen: set[_Value] = set()

    def found(self) -> bool:
        for node in statements(self.candidate.node.body):
            if isinstance(node, Function):
                self.read(node)
            for target, value, _ in _puts(node):
                if isinstance(target, ast.Name):
                    self.class_names.add(target.id)
                    self.places.setdefault(("self", target.id), _Content()).values.append((value, ""))
            if isinstance(node, ast.ClassDef):
                self.class_names.add(node.name)
        return any(self.may_keep(place) for place in self.places if place[0] == "self")

    def may_keep(self, place: _Place) -> bool:
        content = self.places[place]
        passed = [each for each in self.arguments if (place[1], each[0]) in self.passed and each in self.places]
        filled = [
            *content.filled,
            *(value for alias in (*content.aliases, *passed) for value in self.places[alias].filled),
        ]
        if any(self.registers(*value) for value in content.values):
            return False
        values = [*content.values, *(value for value in content.wholes if isinstance(value[0], ast.Call))]
        if not filled and not any(self.may_be_container(*value) for value in values):
            return False
        return any(self.may_make(*value) for value in (*values, *filled))

    def registers(self, value: ast.expr, function: str) -> bool:
        """Whether a value is certainly a Module, which registers what it is given."""
        name = dotted(value.func) if isinstance(value, ast.Call) else None
        if name is None or (function, name.partition(".")[0]) in self.places:
            return False
        full = self.candidate.index.resolve(name, self.candidate.facts.scope, from_method=True)
        return full is not None and self.candidate.index.kind(full) in MODULE_KINDS

    # ---- what is put where

    def read(self, function: Function) -> None:
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        own = arguments[0].arg if arguments else ""
        callables = {each.arg for each in arguments if each.annotation} | _defaulted(function)
        fillers: dict[str, ast.expr] = {}  # variables for `x.append`
        for statement in statements(function.body, deep=True):
            if isinstance(statement, ast.ClassDef):
                callables.add(statement.name)
            elif isinstance(statement, Function):
                callables.add(statement.name)
                self.nested.add((function.name, statement.name))
                self.arguments |= {(function.name, each.arg) for each in statement.args.args}
            elif isinstance(statement, ast.Import | ast.ImportFrom):
                callables |= {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
            for target, value, how in _puts(statement):
                self.put(target, value, how, function.name, own)
            match statement:
                case ast.Assign([ast.Name(name)], ast.Attribute(owner, verb)) if verb in _FILLERS:
                    fillers[name] = owner
                case ast.Expr(ast.Call(ast.Name(name), [*_, value])) if name in fillers:
                    self.put(fillers[name], value, "filling", function.name, own)
                case ast.Expr(ast.Call(ast.Attribute(ast.Name(owner), method), given, named)) if owner == own:
                    for put in puts_of_base(self.candidate, method) if given or named else ():
                        for value in (*given, *(each.value for each in named)):
                            self.put(ast.Attribute(ast.Name(own), put.attribute), value, "filling", function.name, own)
                    places = (_place(each, function.name, own) for each in given)
                    self.passed |= {(place[1], method) for place in places if place and place[0] == "self"}
        self.callables |= {(function.name, name) for name in callables}
        if function.name != "__init__":
            self.arguments |= {(function.name, each.arg) for each in arguments}

    def put(self, target: ast.expr, value: ast.expr, how: _How, function: str, own: str) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            pairs = value.elts if isinstance(value, ast.Tuple | ast.List) else ()
            for number, each in enumerate(target.elts):
                one = pairs[number] if len(pairs) == len(target.elts) else None
                self.put(each, one or value, how if one else "part", function, own)
            return
        place = _place(target, function, own)
        if place is None:
            return
        content = self.places.setdefault(place, _Content())
        how = "filling" if isinstance(target, ast.Subscript) else how
        {"whole": content.values, "filling": content.filled, "part": content.wholes}[how].append((value, function))
        wholes = value.elts if isinstance(value, ast.Tuple | ast.List) and how == "part" else [value]
        for whole in wholes if place[0] != "self" and how != "filling" else ():
            if (original := _place(whole, function, own)) is not None:
                self.places.setdefault(original, _Content()).aliases.append(place)

    # ---- what a value may be

    def may_be_container(self, value: ast.expr, function: str) -> bool:
        waiting = [value]
        seen = set()
        while waiting:
            each = waiting.pop()
            if each in seen:
                continue
            seen.add(each)
            match each:
                case ast.BinOp(left, _, right) | ast.IfExp(_, left, right):
                    waiting += (left, right)
                case ast.BoolOp(_, values):
                    waiting += values
                case ast.Subscript(inner) | ast.NamedExpr(_, inner):
                    waiting.append(inner)
                case ast.Name(name):
                    content = self.places.get((function, name), _Content())
                    if content.filled:
                        return True
                    waiting += [assigned for assigned, _ in content.values]
                case ast.Call(func):
                    if self.returns_container(func, function):
                        return True
                case _ if isinstance(each, _LITERALS):
                    return True
        return False

    def returns_container(self, func: ast.expr, function: str) -> bool:
        name = dotted(func)
        if name is None:
            return isinstance(func, ast.Attribute) and func.attr in {"copy", "children", "values", *self.methods}
        root = name.partition(".")[0]
        last = name.rpartition(".")[2]
        if last in _MAKERS or last in {"deepcopy", "fromkeys", "copy", *self.methods}:
            return True
        if (function, root) in self.nested:
            return True
        full = self.candidate.index.resolve(name, self.candidate.facts.scope, from_method=True)
        what = full and self.candidate.index.find(full).what
        if isinstance(what, FunctionFacts):
            return what.container is not None
        return full is not None and is_named_tuple(self.candidate.index, full)

    def may_make(self, value: ast.expr, function: str) -> bool:
        """Whether an expression may make, or hold, a Module or a parameter."""
        waiting = [(value, function)]
        while waiting:
            step = waiting.pop()
            if step in self.seen:
                continue
            self.seen.add(step)
            node, function = step
            inner: list[ast.expr] = []
            match node:
                case ast.Call(func, arguments, keywords):
                    if self.call_may_make(func, function):
                        return True
                    inner = [func, *arguments, *(keyword.value for keyword in keywords)]
                    if (dotted(func) or "").rpartition(".")[2] in _CALLING and arguments:
                        inner.append(ast.Call(arguments[0], [], []))
                case ast.Attribute(owner):
                    inner = [owner]
                case ast.Name(name):
                    if (function, name) in self.arguments:
                        return True
                    if (content := self.places.get((function, name))) is not None:
                        waiting += (*content.values, *content.filled, *content.wholes)
                case ast.List(elements) | ast.Tuple(elements) | ast.Set(elements):
                    inner = elements
                case ast.Dict(_, values) | ast.BoolOp(_, values):
                    inner = values
                case (
                    ast.ListComp(element, loops)
                    | ast.SetComp(element, loops)
                    | ast.GeneratorExp(element, loops)
                    | ast.DictComp(_, element, loops)
                ):
                    inner = [element, *(part for loop in loops for part in (loop.iter, *loop.ifs))]
                case ast.Compare(left):
                    inner = [left]
                case ast.Starred(element) | ast.NamedExpr(_, element) | ast.Subscript(element) | ast.Lambda(_, element):
                    inner = [element]
                case ast.BinOp(left, _, right) | ast.IfExp(_, left, right):
                    inner = [left, right]
            waiting += [(each, function) for each in inner]
        return False

    def call_may_make(self, func: ast.expr, function: str) -> bool:
        name = dotted(func)
        if name is None:
            own = isinstance(func, ast.Attribute) and func.attr in self.methods  # `type(self).make()`
            return own or isinstance(func, ast.IfExp | ast.Subscript | ast.Call)
        root, _, rest = name.partition(".")
        if rest.rpartition(".")[2] in self.methods or ("self", rest) in self.places or (function, root) in self.places:
            return True  # a method of its own; an attribute or a variable that may hold a class
        if (function, root) in self.callables | self.arguments or rest in self.class_names:
            return True
        if name.rpartition(".")[2] == "deepcopy":
            return True
        index = self.candidate.index
        full = index.resolve(name, self.candidate.facts.scope, from_method=True)
        if full is None:
            return False
        kind = index.kind(full)
        if kind in MODULE_KINDS or kind is Kind.PARAMETER:
            return True
        what = index.find(full).what
        return isinstance(what, FunctionFacts) and what.container is not None


def _place(target: ast.expr, function: str, own: str) -> _Place | None:
    """The variable, or attribute of the instance, that an expression names or reaches into."""
    while True:
        match target:
            case ast.Subscript(ast.Attribute(ast.Name(owner), "__dict__"), ast.Constant(str(name))) if owner == own:
                return "self", name
            case ast.Subscript(inner) | ast.Call(
                ast.Attribute(inner, "setdefault" | "get" | "__getitem__" | "items" | "values")
            ):
                target = inner
            case ast.Name(name):
                return function, name
            case ast.Attribute(ast.Name(owner), name) if owner == own:
                return "self", name
            case _:
                return None


def _puts(statement: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr, _How]]:
    """Where a statement puts what: is it there, in the container that is there, or is it what there is a part of."""
    match statement:
        case ast.Assign([target], value):
            yield target, value, _how(target)
        case ast.Assign(targets, value):
            variable = next((each for each in targets if isinstance(each, ast.Name)), None)
            for target in targets:
                source = value if variable is None or target is variable else variable
                yield target, source, _how(target)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield target, value, "whole"
        case ast.AugAssign(target, _, value):
            yield target, value, "filling"
        case ast.For(target, iterable) | ast.AsyncFor(target, iterable):
            yield target, iterable, "part"
        case ast.If(ast.NamedExpr(target, value)) | ast.While(ast.NamedExpr(target, value)):
            yield target, value, "whole"
        case ast.Expr(ast.Call(ast.Name("setattr"), [owner, name, value])):
            known = str(name.value) if isinstance(name, ast.Constant) else f"{name.lineno}, {name.col_offset}"
            yield ast.Attribute(owner, known), value, "whole"
        case ast.Expr(ast.Call() | ast.IfExp() | ast.BoolOp() | ast.ListComp() as expression):
            for call in parts(expression):
                match call:
                    case ast.Call(ast.Attribute(owner, verb), values, keywords) if verb in _FILLERS:
                        for value in (*values[-1:], *(keyword.value for keyword in keywords)):
                            yield owner, value, "filling"


def _how(target: ast.expr) -> _How:
    return "filling" if isinstance(target, ast.Subscript) else "whole"


def _defaulted(function: Function) -> set[str]:
    """The arguments with a default that may be a class."""
    named = [*function.args.posonlyargs, *function.args.args]
    pairs = zip(reversed(named), reversed(function.args.defaults), strict=False)
    every = (*pairs, *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True))
    return {each.arg for each, default in every if default and not isinstance(default, ast.Constant)}
