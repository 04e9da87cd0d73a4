"""Whether anything registers what a variable or an attribute holds: where its value goes, followed to the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modscope.linter import cst
from modscope.linter.contained import ITERABLES, MAKERS, Place, State
from modscope.linter.definitions import ANSWERS, Inherited, handed_up, is_named_tuple, setting_up
from modscope.linter.flows import Flows
from modscope.linter.known import MODULE_KINDS, Kind
from modscope.linter.module import ModuleClass
from modscope.linter.owners import whole

_REGISTRARS = frozenset({"__setattr__", "__setitem__", "__init__"})
_VIEWS = frozenset({"values", "items", "copy", "children", "modules"})
_TAKES = frozenset({"pop", "popleft", "get", "__getitem__"})
_RESULT = "return"  # stands for a variable with what a function returns
KEPT_BY_TORCH = frozenset({"_modules", "_parameters"})


class Escapes:
    """Where the values of one class go. Ask by `module.once`."""

    def __init__(self, module: ModuleClass) -> None:
        self.module = module
        self.flows = module.once(Flows)
        self._known: dict[tuple[Place, State], bool] = {}
        self._loops: dict[cst.For, bool] = {}

    def registers(self, place: Place, state: State) -> bool:
        """Whether what stands in a place, or goes on from there, is registered somewhere."""
        waiting = [(place, state)]
        entered = []
        while waiting:
            step = waiting.pop()
            if step in self._known:
                if self._known[step]:
                    break
                continue
            self._known[step] = False
            entered.append(step)
            onward = self._onward(*step)
            if onward is None:
                break
            waiting += onward
        else:
            return False
        # each step may lead to what registers, or only to what was found false before: both are known by now
        for step in entered:
            del self._known[step]
        self._known[place, state] = True
        return True

    def _onward(self, place: Place, state: State) -> list[tuple[Place, State]] | None:
        """The places that a value goes to from this one; None where something registers it."""
        onward: list[tuple[Place, State]] = []
        function, name = place
        uses: Sequence[cst.BaseExpression] = self.flows.uses.get(place, ())
        if function is not None and name == _RESULT:
            bases, method = self.module.once(Inherited), function.name.value
            if bases.hands(method) or (state is State.ELEMENT and bases.calls(method)):
                return None
            of_property = self.flows.uses.get((None, function.name.value), ())
            uses = [*self.flows.calls.get(function, ()), *of_property]
        for use in uses:
            for step in self._climb(use, state):
                if step is None:
                    return None
                onward.append(step)
        return onward

    def _climb(self, node: cst.CSTNode, state: State) -> Iterator[tuple[Place, State] | None]:
        """Where the value of one expression goes; None: it is registered there."""
        while True:
            above = self.module.parent(node)
            match above:
                case cst.Attribute(attr=cst.Name("parameters" | "named_parameters")):
                    if any(self.module.kind_of(outer) is Kind.CONTAINER for outer in self.module.ancestors(above)):
                        yield None
                    return
                case cst.Attribute(attr=cst.Name(name)):
                    call = self.module.parent(above)
                    if not (isinstance(call, cst.Call) and call.func is above and name in _VIEWS | _TAKES):
                        return
                    above, state = call, state.part() if name in _TAKES else state
                case cst.Arg():
                    call = self.module.parent(above)
                    result = self._given(call, above, state) if isinstance(call, cst.Call) else []
                    if not isinstance(result, State):
                        yield from result
                        return
                    above, state = call, result
                case cst.Subscript(value=owner, slice=slices) if owner is node:
                    state = state if isinstance(slices[0].slice, cst.Slice) else state.part()
                case cst.NamedExpr(target=target):
                    yield from self._assigned(target, state)
                case cst.IfExp(test=test) if test is node:
                    return
                case (cst.Element() | cst.DictElement()) | (
                    cst.ListComp() | cst.SetComp() | cst.DictComp() | cst.GeneratorExp()
                ):
                    state = state.kept()
                case (
                    None | cst.BaseSmallStatement() | cst.BaseCompoundStatement() | cst.AssignTarget() | cst.CompFor()
                ) | (cst.Call() | cst.Subscript() | cst.Yield() | cst.Comparison() | cst.Lambda()):
                    yield from self._ended(above, node, state)
                    return
            assert above is not None
            node = above

    def _ended(
        self, above: cst.CSTNode | None, node: cst.CSTNode, state: State
    ) -> Iterator[tuple[Place, State] | None]:
        """Where a value goes from what ends the way up; nowhere from a call of it, for that gives another value."""
        match above:
            case cst.CompFor(target=target) | cst.For(target=target):
                yield from self._loop(above, target, node, state)
            case cst.AssignTarget(target=cst.Name() as target) if target is node:
                others = self.module.parent(above)  # `self.a = a = ...`
                assert isinstance(others, cst.Assign)
                for each in others.targets:
                    if each is not above:
                        yield from self._assigned(each.target, state)
            case cst.Assign(targets=targets):
                for each in targets:
                    yield from self._assigned(each.target, state)
            case cst.AnnAssign(target=target, value=value) if value is node:
                yield from self._assigned(target, state)
            case cst.AugAssign(target=target, value=value) if value is node:
                yield from self._put(target)
            case cst.Return() | cst.Yield():
                if (function := self.flows.function_of(above)) is not None:
                    yield (function, _RESULT), state

    def _loop(
        self, loop: cst.CompFor | cst.For, target: cst.BaseExpression, node: cst.CSTNode, state: State
    ) -> Iterator[tuple[Place, State] | None]:
        if loop.iter is not node:
            return
        if isinstance(loop, cst.For) and self._registers_in(loop):
            yield None
        yield from self._variables(target, state.part())

    def _variables(self, target: cst.BaseExpression, state: State) -> Iterator[tuple[Place, State] | None]:
        match target:
            case cst.Tuple(elements=elements) | cst.List(elements=elements):
                for element in elements:  # of pairs, or of what `enumerate` and `zip` give
                    yield from self._variables(element.value, state.part())
            case cst.Name() if (place := self.flows.place(target)) is not None:
                yield place, state
            case cst.Attribute():
                yield None

    def _assigned(self, target: cst.BaseExpression, state: State) -> Iterator[tuple[Place, State] | None]:
        match target:
            case cst.Subscript() if (place := self.flows.place(target)) is not None:  # `self.__dict__["x"]`
                if state is not State.ELEMENT:
                    yield place, state
            case cst.Subscript():
                yield from self._put(target)
            case cst.Attribute() if self.module.attribute(target) is None:
                yield None  # an attribute of another object, which may be a Module
            case cst.Attribute():
                place = self.flows.place(target)
                assert place is not None
                plain = state in (State.CONTAINER, State.NESTED) and place[1] not in KEPT_BY_TORCH
                yield (place, state) if plain else None
            case cst.Tuple() | cst.List():
                for element in target.elements:
                    yield from self._assigned(element.value, state.part())
            case _ if (place := self.flows.place(target)) is not None:
                yield place, state

    def _put(self, owner: cst.BaseExpression) -> Iterator[tuple[Place, State] | None]:
        """What becomes of a value that is put into a container."""
        place = self.flows.place(whole(owner))
        if place is None:
            yield None  # into what nothing here shows
        elif place[0] is None and self._may_register(place[1]):
            yield None
        else:
            yield place, State.CONTAINER

    def _may_register(self, attribute: str) -> bool:
        """Whether an attribute may hold something that registers what is put into it."""
        if attribute in KEPT_BY_TORCH or attribute in self.module.registered:
            return True
        return (None, attribute) not in self.flows.into

    def _registers_in(self, loop: cst.For) -> bool:
        """Whether the body of a loop over a container calls something that registers."""
        if loop not in self._loops:
            calls = self.module.nodes(cst.Call, within=loop.body)
            self._loops[loop] = any(self._registrar(call) for call in calls)
        return self._loops[loop]

    def _registrar(self, call: cst.Call) -> bool:
        match call.func:
            case cst.Attribute(attr=cst.Name(verb)):
                return verb in _REGISTRARS or verb.startswith(("register_", "add_module"))
            case cst.Name("setattr"):
                return True
        return False

    def _given(self, call: cst.Call, arg: cst.Arg, state: State) -> State | list[tuple[Place, State] | None]:
        """What a call does with an argument: the form in which it returns it, or the places it goes to."""
        if (place := self.flows.set_by(call)) is not None and state in (State.CONTAINER, State.NESTED):
            return [(place, state)]
        if self._registrar(call):
            return [None]
        if (filler := self.flows.filler(call)) is not None:
            return [None] if self.module.is_self(filler.value) else list(self._put(filler.value))
        match call.func:
            case cst.Attribute(attr=cst.Name("remove" | "discard" | "index" | "count")):
                return []
        if (function := self.flows.callee(call)) is not None:
            for param, value in self.flows.parameters(call, function):
                if value is arg.value:
                    return [((function, param.name.value), state)]
            return [None]
        if into := [attribute for attribute, value in handed_up(self.module, call) if value is arg.value]:
            return [((None, attribute), State.CONTAINER) for attribute in into]
        name = self.module.name_of(call.func) or ""
        if name == "copy.deepcopy":
            return []  # the copy is another value
        if name == "builtins.sum":
            return State.CONTAINER if state is State.NESTED else state
        if name == "builtins.map" and arg is not call.args[0]:
            return self._mapped(call.args[0].value, state)
        if name in MAKERS or name in ITERABLES or is_named_tuple(self.module.index, name):
            return State.CONTAINER if state is State.ELEMENT else state
        kind = self.module.index.kind(name) if name else None
        if kind in MODULE_KINDS:
            return State.WRAPPED
        if self.module.method_of(call) not in self.module.once(setting_up):
            return []  # a forward calls what it is given
        if kind is Kind.OTHER:
            return State.WRAPPED if name == "torch.compile" else []
        if name and not any(_may_be_module(each.value) for each in call.args if each is not arg):
            return State.WRAPPED
        return [None]  # into what it is a method of, or into another argument, it may be

    def _mapped(self, function: cst.BaseExpression, state: State) -> State | list[tuple[Place, State] | None]:
        """What `map` does with what it is given."""
        if self.module.index.kind(self.module.name_of(function) or "") is not None:
            return state
        calls = self.module.nodes(cst.Call, within=function) if isinstance(function, cst.Lambda) else ()
        quiet = isinstance(function, cst.Lambda) and not any(self._registrar(call) for call in calls)
        return [] if quiet or self.module.name_of(function) else [None]

    def answered(self, attribute: str) -> bool:
        """Whether the class answers for the attribute where a Module is asked for its parameters or children."""
        methods = [self.module.methods[name] for name in ANSWERS if name in self.module.methods]
        uses = self.flows.uses.get((None, attribute), ())
        return any(self.module.within(use, method) for method in methods for use in uses)


def _may_be_module(node: cst.BaseExpression) -> bool:
    """Whether an argument beside a Module may be what it is registered in."""
    return isinstance(node, cst.Name) and node.value not in ("True", "False", "None")
