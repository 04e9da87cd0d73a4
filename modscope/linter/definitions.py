"""What the classes around a Module class do: those that it inherits from, those that it makes. Read on demand."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from modscope.linter import cst, heritage
from modscope.linter.candidate import Candidate
from modscope.linter.facts import ClassFacts, FileFacts, Function, dotted, statements
from modscope.linter.index import FileIndex, Project
from modscope.linter.known import MODULE_KINDS, NAMED_TUPLES, TORCH_NN, Kind
from modscope.linter.module import ModuleClass

Shape = Literal["list", "tuple", "dict", "set", "deque"]

# Methods that set a Module up though its own `__init__` does not call them: a base or the user does.
_SETS_UP = re.compile(
    r"_*(build|init|make|create|setup|set_up|construct|define|configure_model|add|append|expand|grow|extend)(_|$)"
)
# What an outside reader asks a Module for; a class that answers by itself may answer for its containers.
ANSWERS = frozenset({"parameters", "named_parameters", "modules", "named_modules", "children", "named_children"})
_READERS = frozenset({"len", "enumerate", "zip", "range", "print", "reversed", "sum", "iter", "isinstance"})
_CONTAINERS: Mapping[str, Shape] = {"list": "list", "dict": "dict", "OrderedDict": "dict", "set": "set"}


@dataclass(frozen=True, slots=True)
class Put:
    """An argument that a method puts into an attribute's container."""

    attribute: str
    argument: str
    place: int  # among the arguments after `self`


Deed = Shape | tuple[Put, ...] | None


class Inherited:
    """What the bases of the same project do with the instance."""

    def __init__(self, module: ModuleClass | Candidate) -> None:
        self._deeds = module.index.inherited(_deeds, module.facts)

    def calls(self, method: str) -> bool:
        """Whether a base's `__init__` calls a method, directly or through its own methods."""
        return ("calls", method) in self._deeds

    def puts(self, method: str) -> tuple[Put, ...]:
        """Which arguments a method puts into plain containers, and does nothing else with."""
        found: tuple[Put, ...] = self._deeds.get(("puts", method), ())
        return found

    def hands(self, attribute: str) -> bool:
        """Whether an attribute is given to a call, which may register it."""
        return ("hands", attribute) in self._deeds

    def keeps(self, attribute: str) -> Shape | None:
        """The plain container that an attribute is set to."""
        shape: Shape | None = self._deeds.get(("keeps", attribute))
        return shape


def _deeds(project: Project, file: FileFacts, facts: ClassFacts) -> dict[tuple[str, str], Deed]:
    """What one class does."""
    node = project.heritage.definition(file, facts)
    methods = {} if node is None else _methods(node)
    found: dict[tuple[str, str], Deed] = {
        ("calls", name): None for method in _reached(methods) for name in _called_on_self(method)
    }
    for name, method in methods.items():
        if name != "forward":
            found |= {("hands", attribute): None for attribute in _handed(method)}
        if name in ANSWERS:
            found |= {("hands", attribute): None for attribute in _attributes(method, _own(method))}
        found |= {("keeps", attribute): shape for attribute, shape in _plain(method)}
        found[("puts", name)] = tuple(_puts(method))
    return found


def setting_up(module: ModuleClass) -> frozenset[cst.FunctionDef]:
    """The methods that run while an instance is set up. Ask by `module.once`."""
    calls = module.once(Inherited).calls
    hooks = (name for name in module.methods if _SETS_UP.match(name) or calls(name))
    return frozenset((*module.init, *module.reached_from(*hooks)))


def puts_of_base(candidate: Candidate, method: str) -> tuple[Put, ...]:
    """What a method that is not the class's own puts; bases are read again only where one has such a method."""
    facts = candidate.facts
    if method in facts.methods or method not in candidate.index.inherited(heritage.methods, facts):
        return ()
    return candidate.once(Inherited).puts(method)


def handed_up(module: ModuleClass, call: cst.Call) -> Iterator[tuple[str, cst.BaseExpression]]:
    """What a call gives to a method of a base that only puts it into a container, and the attribute with that."""
    name = module.attribute(call.func)
    if name is None or name in module.methods or any(arg.star for arg in call.args):
        return
    for put in module.once(Inherited).puts(name):
        for place, arg in enumerate(call.args):
            if arg.keyword.value == put.argument if arg.keyword else place == put.place:
                yield put.attribute, arg.value


def is_named_tuple(index: FileIndex, name: str) -> bool:
    """Whether a full name is a class whose instances are tuples with names."""
    if name in NAMED_TUPLES.values():
        return True
    found = index.find(name)
    if found.file is None or not isinstance(found.what, ClassFacts):
        return False
    view = FileIndex(index.project, found.file)
    return any(base and view.resolve(base, found.what.scope) in NAMED_TUPLES for base in found.what.bases)


def is_stateless(module: ModuleClass, name: str) -> bool:
    """Whether a class of the project certainly holds no parameter, buffer or submodule."""
    found = module.index.find(name)
    if found.file is None or not isinstance(found.what, ClassFacts):
        return False
    project = module.index.project
    family = [(found.file, found.what), *project.ancestors(found.file, found.what)]
    methods = {method for _, facts in family for method in facts.methods}
    for file, facts in family:
        index = FileIndex(project, file)
        node = project.heritage.definition(file, facts)
        if node is None or not all(_is_stateless_base(index, base, facts) for base in facts.bases):
            return False
        if any(_may_hold(call, index, facts, methods) for call in ast.walk(node) if isinstance(call, ast.Call)):
            return False
    return True


def makes_weights(module: ModuleClass, name: str) -> bool:
    """Whether a class of the project shows what weights it has; for any other name yes, for nothing can be shown."""
    found = module.index.find(name)
    if found.file is None or not isinstance(found.what, ClassFacts):
        return True
    project = module.index.project
    for file, facts in [(found.file, found.what), *project.ancestors(found.file, found.what)]:
        index = FileIndex(project, file)
        bases = {index.resolve(base, facts.scope) or "" for base in facts.bases if base} - {"torch.nn.Module"}
        if any(TORCH_NN.get(base) is Kind.WEIGHTED for base in bases):
            return True
        node = project.heritage.definition(file, facts)
        reached = [] if node is None else _reached(_methods(node))
        calls = (call for method in reached for call in ast.walk(method) if isinstance(call, ast.Call))
        if node is None or any(_makes(call, index, facts) for call in calls):
            return True
    return False


# ---- bases


def _methods(node: ast.ClassDef) -> dict[str, Function]:
    return {each.name: each for each in statements(node.body) if isinstance(each, Function)}


def _reached(methods: Mapping[str, Function]) -> list[Function]:
    """`__init__` and the methods that it calls on `self`, directly or through one another."""
    reached = {name: methods[name] for name in ("__init__",) if name in methods}
    waiting = [*reached.values()]
    while waiting:
        for name in _called_on_self(waiting.pop()):
            if name in methods and name not in reached:
                reached[name] = methods[name]
                waiting.append(methods[name])
    return [*reached.values()]


def _own(method: Function) -> str:
    arguments = [*method.args.posonlyargs, *method.args.args]
    return arguments[0].arg if arguments else ""


def _called_on_self(method: Function) -> Iterator[str]:
    own = _own(method)
    for node in ast.walk(method):
        match node:
            case ast.Call(ast.Attribute(ast.Name(owner), name)) if owner == own:
                yield name


def _attributes(node: ast.AST, own: str) -> Iterator[str]:
    for each in ast.walk(node):
        match each:
            case ast.Attribute(ast.Name(owner), name) if owner == own:
                yield name


def _handed(method: Function) -> Iterator[str]:
    own = _own(method)
    for node in ast.walk(method):
        match node:
            case ast.Call(func, arguments) if dotted(func) not in _READERS:
                for argument in arguments:
                    yield from _attributes(argument, own)
            case ast.For(iter=iterable) if any(isinstance(each, ast.Call) for each in ast.walk(node)):
                if _registers(node):
                    yield from _attributes(iterable, own)


def _registers(node: ast.AST) -> bool:
    for each in ast.walk(node):
        match each:
            case ast.Call(ast.Name("setattr")):
                return True
            case ast.Call(ast.Attribute(attr=name)) if name.startswith(("add_module", "register_")):
                return True
    return False


def _plain(method: Function) -> Iterator[tuple[str, Shape | None]]:
    own = _own(method)
    for statement in statements(method.body):
        match statement:
            case ast.Assign([ast.Attribute(ast.Name(owner), name)], value) if owner == own:
                yield name, _container(value)
            case ast.AnnAssign(ast.Attribute(ast.Name(owner), name), value=ast.expr() as value) if owner == own:
                yield name, _container(value)


def _puts(method: Function) -> Iterator[Put]:
    own = _own(method)
    arguments = [each.arg for each in (*method.args.posonlyargs, *method.args.args)][1:]
    used = Counter(node.id for node in ast.walk(method) if isinstance(node, ast.Name))
    for statement in statements(method.body):
        match statement:
            case ast.Expr(ast.Call(ast.Attribute(ast.Attribute(ast.Name(owner), name), verb), [*_, ast.Name(given)])):
                fills = verb in ("append", "insert", "add")
            case ast.Assign([ast.Subscript(ast.Attribute(ast.Name(owner), name))], ast.Name(given)):
                fills = True
            case ast.AugAssign(ast.Attribute(ast.Name(owner), name), ast.Add(), ast.List([ast.Name(given)])):
                fills = True
            case _:
                continue
        if fills and owner == own and given in arguments and used[given] == 1:
            yield Put(name, given, arguments.index(given))


def _container(value: ast.expr) -> Shape | None:
    match value:
        case ast.List() | ast.ListComp():
            return "list"
        case ast.Dict() | ast.DictComp():
            return "dict"
        case ast.Call(func):
            return _CONTAINERS.get(dotted(func) or "")
    return None


# ---- statelessness


def _is_stateless_base(index: FileIndex, base: str | None, facts: ClassFacts) -> bool:
    full = base and index.resolve(base, facts.scope)
    if not full:
        return False
    found = index.find(full)
    if found.file is not None:
        return isinstance(found.what, ClassFacts)
    return found.name == "torch.nn.Module" or TORCH_NN.get(found.name) is Kind.STATELESS or "." not in found.name


def _may_hold(call: ast.Call, index: FileIndex, facts: ClassFacts, methods: set[str]) -> bool:
    """Whether a call within a class may give its instances something to hold, or calls what they were given."""
    name = dotted(call.func)
    if name is None:  # `super().__init__()`, `x.view(1).sum()`
        return isinstance(call.func, ast.Attribute) and call.func.attr.startswith(("add_module", "register_"))
    root, _, rest = name.partition(".")
    if rest.startswith(("add_module", "register_")) or name == "setattr":
        return True
    if root == "self":
        return rest not in methods
    return _makes(call, index, facts)


def _makes(call: ast.Call, index: FileIndex, facts: ClassFacts) -> bool:
    """Whether a call makes a parameter, or a Module that may have some."""
    name = dotted(call.func)
    full = name and index.resolve(name, facts.scope, from_method=True)
    kind = index.kind(full) if full else None
    return kind is Kind.PARAMETER or (kind in MODULE_KINDS and kind is not Kind.STATELESS)
