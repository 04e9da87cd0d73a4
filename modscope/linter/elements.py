"""What one element of a container is: followed through variables and factories to the call that makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from modscope.linter import cst
from modscope.linter.calls import argument, is_literal
from modscope.linter.contained import (
    COPIES,
    LOADERS,
    MAKERS,
    RETURN_SELF,
    THROUGH,
    Element,
    Held,
    Holding,
    How,
    Place,
    Role,
    State,
    Step,
)
from modscope.linter.definitions import Shape, is_named_tuple, is_stateless
from modscope.linter.facts import FunctionFacts
from modscope.linter.flows import Flows
from modscope.linter.known import MODULE_KINDS, Kind
from modscope.linter.module import ModuleClass


class Elements:
    """The next steps from an expression that is an element, or that is called for one; `found` takes what ends there.

    `registered` says which variables' values are registered anyway.
    """

    def __init__(self, module: ModuleClass, registered: Callable[[Place, State], bool]) -> None:
        self.module = module
        self.flows = module.once(Flows)
        self.registered = registered
        self.found = Holding()
        self.seen: set[Step | tuple[Place, Role]] = set()

    def maker(self, call: cst.Call) -> Shape | None:
        """What kind of plain container a call makes."""
        name = self.module.name_of(call.func) or ""
        match call.args:
            case [_, cst.Arg(value=cst.List() | cst.Tuple() as start)] if name == "builtins.sum":
                return "list" if isinstance(start, cst.List) else "tuple"
        return "tuple" if is_named_tuple(self.module.index, name) else MAKERS.get(name)

    def element(self, node: cst.BaseExpression, role: Role) -> Iterator[Step]:
        """What one value in a container is."""
        match node:
            case cst.Name(value="None"):
                self.add(node, Held.OTHER)
            case cst.Name():
                yield from self.variable(node)
            case cst.Attribute():
                known = self.module.attribute(node) in self.module.registered
                self.add(node, Held.REGISTERED if known else Held.OTHER)
            case cst.IfExp(body=one, orelse=other):
                yield from ((one, role), (other, role))
            case cst.NamedExpr(target=target):
                yield target, role
            case cst.Subscript(value=cst.Name() as whole) if (self.flows.place(whole) or (None,))[0] is not None:
                yield whole, Role.INSIDE
            case cst.Call() if self.maker(node) is None:
                yield from self.made(node)
            case (
                cst.List() | cst.Tuple() | cst.Set() | cst.Dict() | cst.ListComp() | cst.SetComp() | cst.DictComp()
            ) | cst.Call():
                self.found.nested = True
                yield node, Role.INSIDE
            case cst.BinaryOperation(operator=cst.Add() | cst.Multiply()):
                self.found.nested = True
                yield node, Role.INSIDE
            case _:
                self.add(node, Held.OTHER)

    def variable(self, name: cst.Name) -> Iterator[Step]:
        place = self.flows.place(name)
        flows = [] if place is None else self.flows.into.get(place, [])
        if place is None or not flows:
            self.add(name, Held.OTHER)
        elif self.registered(place, State.ELEMENT):
            self.add(name, Held.REGISTERED)
        elif (place, Role.ELEMENT) not in self.seen:
            self.seen.add((place, Role.ELEMENT))
            for flow in flows:
                if flow.how is How.WHOLE:
                    yield flow.value, Role.ELEMENT
                elif flow.how is How.PART:
                    yield flow.value, Role.INSIDE
                else:  # the variable is a container itself
                    self.found.nested = True
                    yield flow.value, Role.ELEMENT if flow.how is How.ELEMENT else Role.INSIDE

    def made(self, call: cst.Call) -> Iterator[Step]:
        """What a call puts into a container: what its own function returns, what it passes through, what it makes."""
        function = self.flows.callee(call)
        name = self.module.name_of(call.func)
        if function is not None:
            returned, _ = self.flows.results(function)
            yield from ((value, Role.ELEMENT) for value in returned)
            return
        match call:
            case cst.Call(args=[first, *_]) if name == "copy.deepcopy" and self.is_module(first.value):
                self.add(call, Held.WEIGHTED, self.module.code(call))
            case cst.Call(args=[first, *_]) if self.passes_through(call.func):
                yield first.value, Role.ELEMENT
            case _ if (given := self.given_back(call)) is not None:
                yield given, Role.ELEMENT
            case _ if name is not None and (kind := self.module.kind_of(call)) not in (None, Kind.OTHER):
                if kind is Kind.CONTAINER and self.wraps_registered(call):
                    self.add(call, Held.REGISTERED)
                else:
                    self.add_kind(call, kind, self.module.code(call.func))
            case cst.Call(args=args) if (maker := self.looked_up(call.func)) is not None:
                # `getattr(nn, name)()` is an activation, `getattr(nn, name)(width, width)` has weights
                self.add(call, Held.WEIGHTED if len(args) > 1 else Held.STATELESS, self.module.code(maker))
            case cst.Call(args=[first, *_]) if name == "torch.nn.utils.skip_init":
                yield first.value, Role.CALLED
            case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name(verb))) if verb in RETURN_SELF and isinstance(
                owner, cst.Call | cst.Name
            ):
                yield owner, Role.ELEMENT
            case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name(verb))) if verb in LOADERS and (
                self.callable(owner) in MODULE_KINDS
            ):
                self.add(call, Held.WEIGHTED, self.module.code(call.func))
            case _:
                yield call.func, Role.CALLED

    def passes_through(self, called: cst.BaseExpression) -> bool:
        """Whether it is a function that gives back the Module it is given, or a variable for nothing but these."""
        place = self.flows.place(called)
        flows = self.flows.into.get(place, ()) if place else ()
        ends = [each.value if each.how is How.WHOLE else called for each in flows] or [called]
        ends = [end for each in ends for end in ((each.body, each.orelse) if isinstance(each, cst.IfExp) else (each,))]
        names = [self.module.name_of(end) or "" for end in ends]
        return all(each in COPIES or each in THROUGH or _initializes(each) for each in names)

    def given_back(self, call: cst.Call) -> cst.BaseExpression | None:
        """The argument that a function outside the class returns as it is."""
        name = self.module.name_of(call.func)
        what = self.module.index.find(name).what if name else None
        match what:
            case FunctionFacts(returns=[str(given)]) if given.startswith("@") and not any(
                self.module.is_self(arg.value)
                for arg in call.args  # which may register it
            ):
                return argument(call, "", int(given[1:]))
        return None

    def looked_up(self, called: cst.BaseExpression) -> cst.Call | None:
        """The `getattr(nn, name)` that an expression or variable is, where the name is not written there."""
        place = self.flows.place(called)
        flows = self.flows.into.get(place, ()) if place else ()
        value = flows[0].value if len(flows) == 1 and flows[0].how is How.WHOLE else called
        return value if isinstance(value, cst.Call) and self.is_getattr(value) and not _literal(value) else None

    def wraps_registered(self, call: cst.Call) -> bool:
        """Whether it is `nn.Sequential(self.a, self.b)`: a new Module of registered ones alone."""
        owners = [arg.value.value if isinstance(arg.value, cst.Subscript) else arg.value for arg in call.args]
        return bool(owners) and all(self.module.attribute(each) in self.module.registered for each in owners)

    def is_module(self, node: cst.BaseExpression) -> bool:
        """Whether an expression is a registered attribute, a variable for a Module, or an argument annotated as one."""
        if (name := self.module.attribute(node)) is not None:
            return self.module.registered.get(name) in MODULE_KINDS
        place = self.flows.place(node)
        flows = self.flows.into.get(place, ()) if place else ()
        if any(flow.how is How.WHOLE and self.module.kind_of(flow.value) in MODULE_KINDS for flow in flows):
            return True
        param = self.parameter(place)
        annotation = param.annotation.annotation if param and param.annotation else None
        return annotation is not None and self.callable(annotation) in MODULE_KINDS

    def add_kind(self, node: cst.BaseExpression, kind: Kind | None, name: str) -> None:
        called = node.func if isinstance(node, cst.Call) else node
        if kind is Kind.STATELESS:
            self.add(node, Held.STATELESS, name)
        elif kind is Kind.PARAMETER:
            self.add(node, Held.PARAMETER, name)
        elif kind is Kind.WEIGHTED and (made := self.module.name_of(called)) and is_stateless(self.module, made):
            self.add(node, Held.STATELESS, name)
        else:
            self.add(node, Held.WEIGHTED if kind in MODULE_KINDS else Held.OTHER, name)

    def add(self, node: cst.BaseExpression, held: Held, name: str = "") -> None:
        self.found.elements.append(Element(node, held, name))

    # ---- what is called

    def callable(self, node: cst.BaseExpression) -> Kind | None:
        """What calling an imported or own name makes."""
        name = self.module.name_of(node)
        return None if name is None else self.module.index.kind(name)

    def own_class(self, node: cst.BaseExpression) -> Kind | None:
        """What calling a class that stands in this class, or in a method of it, makes."""
        match node:
            case cst.Attribute(attr=cst.Name(name)) if self.module.attribute(node):
                inside = self.module.name
            case cst.Name(value=name) if (method := self.module.method_of(node)) is not None:
                inside = f"{self.module.name}.{method.name.value}"
            case _:
                return None
        index = self.module.index
        facts = index.facts.classes.get(f"{inside}.{name}")
        return index.project.kind_of_class(index.facts, facts) if facts else None

    def called(self, node: cst.BaseExpression, role: Role) -> Iterator[Step]:
        """What calling an expression returns: a class, a partial, a lambda, a variable for one of these."""
        kind = self.callable(node) or self.own_class(node)
        if kind is not None and kind is not Kind.OTHER:
            self.add_kind(node, kind, self.module.code(node))
            return
        match node:
            case cst.Name() | cst.Attribute():
                yield from self.named_callable(node)
            case cst.Lambda(body=body):
                yield body, Role.ELEMENT
            case cst.IfExp(body=one, orelse=other) | cst.BooleanOperation(left=one, right=other):
                yield from ((one, role), (other, role))
            case cst.Subscript(value=table) | cst.Call(func=cst.Attribute(value=table, attr=cst.Name("get"))):
                yield from self.entries(table)
            case cst.Call(args=[first, *_]) if self.module.name_of(node.func) == "functools.partial":
                yield first.value, role
            case cst.Call(args=[_, cst.Arg(value=cst.SimpleString() as text), *_]) if self.is_getattr(node):
                kind = self.module.index.kind(f"torch.nn.{text.evaluated_value!s}")
                self.add_kind(node, kind, self.module.code(node))
            case _:
                self.add(node, Held.OTHER)

    def entries(self, table: cst.BaseExpression) -> Iterator[Step]:
        """The values of a dict of classes: one written here, kept in a variable, or defined outside the class."""
        place = self.flows.place(table)
        flows = self.flows.into.get(place, ()) if place else ()
        name = self.module.name_of(table)
        if name is not None and (kind := self.module.index.project.kind_of_entry(self.module.index.find(name))):
            self.add_kind(table, kind, f"{self.module.code(table)}[...]")
        for each in (table, *(flow.value for flow in flows if flow.how is How.WHOLE)):
            if isinstance(each, cst.Dict):
                yield from ((pair.value, Role.CALLED) for pair in each.elements)

    def is_getattr(self, call: cst.Call) -> bool:
        """Whether it is `getattr(nn, ...)`."""
        named = self.module.name_of(call.func) == "builtins.getattr" and len(call.args) > 1
        return named and self.module.name_of(call.args[0].value) == "torch.nn"

    def named_callable(self, node: cst.Name | cst.Attribute) -> Iterator[Step]:
        place = self.flows.place(node)
        if place is not None and (place, Role.CALLED) in self.seen:
            return
        self.seen.add((place or (None, ""), Role.CALLED))
        if (method := self.module.methods.get(self.module.attribute(node) or "")) is not None:
            yield from ((value, Role.ELEMENT) for value in self.flows.results(method)[0])
            return
        param = self.parameter(place)
        flows = [] if place is None else self.flows.into.get(place, [])
        if param is not None and param.default is not None and not is_literal(param.default, "None"):
            yield param.default, Role.CALLED
        elif param is not None and param.annotation is not None and self.makes_modules(param.annotation.annotation):
            self.add(node, Held.WEIGHTED, node.value if isinstance(node, cst.Name) else "")
        elif not flows:
            self.add(node, Held.OTHER)
        for flow in flows:
            if flow.how is How.WHOLE:
                yield flow.value, Role.CALLED
            elif flow.how is How.PART and isinstance(flow.value, cst.List | cst.Tuple):
                yield from ((item.value, Role.CALLED) for item in flow.value.elements)
            else:
                self.add(node, Held.OTHER)

    def makes_modules(self, annotation: cst.BaseExpression) -> bool:
        """Whether an annotation says "a class of Modules": `type[nn.Module]`, `Callable[..., nn.Module]`."""
        match annotation:
            case cst.Subscript(slice=[*_, cst.SubscriptElement(slice=cst.Index(value=made))]):
                return self.callable(made) in MODULE_KINDS
        return False

    def parameter(self, place: Place | None) -> cst.Param | None:
        """The parameter that a variable is."""
        if place is None or place[0] is None:
            return None
        params = place[0].params
        every = (*params.posonly_params, *params.params, *params.kwonly_params)
        return next((param for param in every if param.name.value == place[1]), None)


def _initializes(name: str) -> bool:
    """Whether a function fills a tensor and returns it: `torch.nn.init.normal_`."""
    return name.startswith("torch.nn.init.") and name.endswith("_")


def _literal(call: cst.Call) -> bool:
    return isinstance(call.args[1].value, cst.SimpleString)
