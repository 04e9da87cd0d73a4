"""What a container expression holds, followed through variables, loops and functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from modscope.linter import cst
from modscope.linter.calls import argument
from modscope.linter.contained import COPIES, ITERABLES, Element, Flow, Held, Holding, How, Place, Role, State, Step
from modscope.linter.definitions import Shape, is_named_tuple
from modscope.linter.elements import Elements
from modscope.linter.facts import FunctionFacts
from modscope.linter.index import FileIndex
from modscope.linter.known import MODULE_KINDS, Kind
from modscope.linter.module import ModuleClass

_SHAPES: tuple[Shape, ...] = ("list", "tuple", "dict")
_CHILDREN = frozenset({"children", "modules"})
_STEPS = 30_000  # nodes looked at for the containers of one class; past them nothing is said


class Holdings(Elements):
    """What stands in the attributes of a class after the flows that count."""

    def __init__(
        self, module: ModuleClass, counts: Callable[[Flow], bool], registered: Callable[[Place, State], bool]
    ) -> None:
        super().__init__(module, registered)
        self.counts = counts
        self.steps = 0
        self.waiting: list[Step] = []

    def of(self, place: Place) -> Holding | None:
        """What one attribute holds; None where following it would take too long."""
        self.found, self.waiting, self.seen = Holding(), [], set()
        self.waiting += reversed(list(self.filled(place, Role.KEPT)))
        while self.waiting:
            step = self.waiting.pop()
            if step in self.seen:
                continue
            self.steps += 1
            if self.steps > _STEPS:
                return None
            self.seen.add(step)
            node, role = step
            self.waiting += reversed(list(self.follow(node, role)))
        return self.found

    def follow(self, node: cst.BaseExpression, role: Role) -> Iterator[Step]:
        if role is Role.ELEMENT:
            return self.element(node, role)
        return self.called(node, role) if role is Role.CALLED else self.container(node, role)

    # ---- places

    def filled(self, place: Place, role: Role) -> Iterator[Step]:
        """What makes the container that stands in a place, and what is put into it there or under another name."""
        names = [place]
        for each in names:
            if (each, role) in self.seen:
                continue
            self.seen.add((each, role))
            if each[0] is not None and self.registered(each, State.CONTAINER):
                self.found.registers |= role is Role.KEPT
                continue
            for flow in self.flows.into.get(each, ()):
                if place[0] is None and not self.counts(flow):
                    continue
                if flow.how is How.WHOLE:
                    if each == place:
                        yield flow.value, role
                elif flow.how is How.ELEMENT:
                    if role is Role.KEPT:
                        self.found.keys.append(flow.key)
                    yield flow.value, Role.ELEMENT
                elif flow.how is How.INSIDE:
                    self.found.keys.extend(self.keys(flow.value) if role is Role.KEPT else ())
                    yield flow.value, Role.INSIDE
            names += self.flows.aliases.get(each, ())

    def keys(self, node: cst.BaseExpression) -> list[cst.BaseExpression | None]:
        """Under what names a dict's expression keeps its elements."""
        match node:
            case cst.Dict(elements=pairs):
                return [pair.key if isinstance(pair, cst.DictElement) else None for pair in pairs]
            case cst.DictComp(key=key):
                return [key]
            case cst.Call(args=args) if all(arg.keyword for arg in args):
                return [cst.SimpleString(repr(arg.keyword.value)) for arg in args if arg.keyword]
        return [None]

    # ---- containers

    def container(self, node: cst.BaseExpression, role: Role) -> Iterator[Step]:
        """What a container expression holds."""
        shape: Shape | None = None
        match node:
            case cst.Name() | cst.Attribute():
                place = self.flows.place(node)
                if place is None or place not in self.flows.into:
                    self.add(node, Held.OTHER)
                else:
                    yield from self.filled(place, role)
            case cst.IfExp(body=one, orelse=other) | cst.BooleanOperation(left=one, right=other):
                yield from ((one, role), (other, role))
            case cst.NamedExpr(value=value):
                yield value, role
            case cst.BinaryOperation(left=left, right=right, operator=cst.Add() | cst.BitOr()):
                yield from ((each, Role.INSIDE if self.is_registered_plain(each) else role) for each in (left, right))
            case cst.BinaryOperation(left=left, right=right, operator=cst.Multiply()):
                literal = [each for each in (left, right) if isinstance(each, cst.List | cst.Tuple | cst.ListComp)]
                yield from ((each, role) for each in literal or (left, right))
            case cst.Subscript(value=value, slice=[cst.SubscriptElement(slice=cst.Slice())]):
                yield value, role
            case cst.List(elements=items):
                shape = "list"
                yield from self.items(items)
            case cst.Tuple(elements=items):
                shape = "tuple"
                yield from self.items(items)
            case cst.Set(elements=items):
                shape = "set"
                yield from self.items(items)
            case cst.Dict(elements=pairs):
                shape = "dict"
                yield from self.items(pairs)
            case cst.ListComp(elt=item):
                shape = "list"
                yield item, Role.ELEMENT
            case cst.SetComp(elt=item):
                shape = "set"
                yield item, Role.ELEMENT
            case cst.DictComp(value=item):
                shape = "dict"
                yield item, Role.ELEMENT
            case cst.GeneratorExp(elt=item):
                yield item, Role.ELEMENT
            case cst.Call():
                shape = self.maker(node)
                yield from self.container_call(node, role, shape)
            case _:
                self.add(node, Held.OTHER)
        if shape is not None and role is Role.KEPT:
            self.found.shapes.append(shape)
            self.found.keys.extend(self.keys(node) if shape == "dict" else ())

    def is_registered_plain(self, node: cst.BaseExpression) -> bool:
        """Whether it is a variable for a plain container whose elements are registered: what is added to it is not."""
        place = self.flows.place(node)
        if place is None or place[0] is None or not self.registered(place, State.CONTAINER):
            return False
        values = [flow.value for flow in self.flows.into.get(place, ()) if flow.how is How.WHOLE]
        return bool(values) and all(isinstance(each, cst.List | cst.ListComp | cst.Tuple) for each in values)

    def items(self, items: Iterable[cst.BaseElement | cst.BaseDictElement]) -> Iterator[Step]:
        for item in items:
            starred = isinstance(item, cst.StarredElement | cst.StarredDictElement)
            yield item.value, Role.INSIDE if starred else Role.ELEMENT

    def container_call(self, call: cst.Call, role: Role, shape: Shape | None) -> Iterator[Step]:
        """What the container that a call returns holds."""
        name = self.module.name_of(call.func) or ""
        function = self.flows.callee(call)
        first = call.args[0].value if call.args else None
        if function is not None:
            returned, yielded = self.flows.results(function)
            yield from ((value, role) for value in returned)
            yield from ((value, Role.ELEMENT) for value in yielded)
        elif name == "builtins.map" and first is not None:
            yield first, Role.CALLED
        elif name.endswith(".fromkeys") and len(call.args) == 2:
            yield call.args[1].value, Role.ELEMENT
        elif name == "collections.defaultdict" and first is not None:
            yield first, Role.CALLED
            yield from ((arg.value, Role.INSIDE) for arg in call.args[1:])
        elif is_named_tuple(self.module.index, name):
            yield from ((arg.value, Role.INSIDE if arg.star else Role.ELEMENT) for arg in call.args)
        elif shape is not None or name in ITERABLES:
            for arg in call.args:
                yield arg.value, Role.INSIDE if arg.keyword is None or arg.star else Role.ELEMENT
        elif name in COPIES and first is not None:
            yield first, role
        else:
            yield from self.container_method(call, role)

    def container_method(self, call: cst.Call, role: Role) -> Iterator[Step]:
        match call.func:
            case cst.Attribute(value=owner, attr=cst.Name("copy" | "values" | "items")) if not call.args:
                yield owner, role
            case cst.Attribute(value=owner, attr=cst.Name(verb)) if verb in _CHILDREN and self.is_fresh(owner):
                self.found.elements.append(Element(call, Held.WEIGHTED, self.module.code(call)))
            case _ if self.module.kind_of(call) in MODULE_KINDS:
                self.found.registers |= role is Role.KEPT
            case _ if (made := self.of_project(call)) is not None:
                self.found.shapes.extend(shape for shape in _SHAPES if shape == made and role is Role.KEPT)
                self.found.keys.append(None)
            case _:
                self.add(call, Held.OTHER)
                self.found.unknown |= role is Role.KEPT

    def of_project(self, call: cst.Call) -> str | None:
        """What kind of container a function outside the class always returns; its elements are noted."""
        name = self.module.name_of(call.func)
        found = name and self.module.index.find(name)
        if not found or found.file is None or not isinstance(found.what, FunctionFacts):
            return None
        view = FileIndex(self.module.index.project, found.file)
        for called in found.what.elements:
            if called and called.startswith("@"):
                self.add_copy(call, int(called[1:]))
                continue
            full = called and view.resolve(called, found.what.scope, from_method=True)
            kind = view.kind(full) if full and not self.is_given_its_own(call) else None
            self.add_kind(call, kind, f"{called} of {self.module.code(call.func)}()")
        return found.what.container

    def is_given_its_own(self, call: cst.Call) -> bool:
        """Whether it is given the instance, or an attribute that may be a Module: it may return parts of that."""
        for arg in call.args:
            flows = self.flows.into.get((None, self.module.attribute(arg.value) or ""), ())
            made = (self.module.kind_of(flow.value) for flow in flows if isinstance(flow.value, cst.Call))
            if self.module.is_self(arg.value) or any(kind is not Kind.OTHER for kind in made):
                return True
        return False

    def add_copy(self, call: cst.Call, place: int) -> None:
        """Note a copy of what stands at a place among the arguments."""
        given = argument(call, "", place)
        made = given is not None and (self.is_module(given) or self.module.kind_of(given) in MODULE_KINDS)
        self.add(call, Held.WEIGHTED if made else Held.OTHER, self.module.code(call))

    def is_fresh(self, owner: cst.BaseExpression) -> bool:
        """Whether the owner of `.children()` is a Module that was made here and is not registered."""
        place = self.flows.place(owner)
        if place is None:
            return self.module.kind_of(owner) in MODULE_KINDS
        flows = self.flows.into.get(place, ())
        return (
            place[0] is not None
            and not self.registered(place, State.ELEMENT)
            and any(flow.how is How.WHOLE and self.module.kind_of(flow.value) in MODULE_KINDS for flow in flows)
        )
