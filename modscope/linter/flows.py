"""Where the methods of a class put what: into variables, into attributes, into the containers that these hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from modscope.linter import cst
from modscope.linter.contained import FILLERS, Flow, How, Place
from modscope.linter.definitions import handed_up
from modscope.linter.module import ModuleClass
from modscope.linter.owners import in_dict, whole
from modscope.linter.renewed import renewals, turn

_SEVERAL = frozenset({"extend", "extendleft", "update"})


class Flows:
    """What is put where in a class, and where each variable and attribute is used; read once. Ask by `module.once`."""

    def __init__(self, module: ModuleClass) -> None:
        self.module = module
        self.into: dict[Place, list[Flow]] = {}
        self.aliases: dict[Place, list[Place]] = {}  # variables for the very object that stands in a place
        self.uses: dict[Place, list[cst.BaseExpression]] = {}
        self.calls: dict[cst.FunctionDef, list[cst.Call]] = {}  # of the class's own functions
        self._functions: dict[Place, cst.FunctionDef] = {}
        self._around: dict[cst.CSTNode, cst.FunctionDef | None] = {}
        self._bound: set[Place] = set()
        self._renewed: Mapping[Place, list[cst.Assign]] = {}
        self._bind()
        self._fill()
        self._use()

    # ---- what things mean

    def function_of(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        """The innermost `def` around the node; each way up is walked once, for `a + b + c + ...` is a deep tree."""
        way, above = [node], self.module.parent(node)
        while not (above is None or isinstance(above, cst.FunctionDef)) and above not in self._around:
            way.append(above)
            above = self.module.parent(above)
        function = above if above is None or isinstance(above, cst.FunctionDef) else self._around[above]
        self._around.update(dict.fromkeys(way, function))
        return function

    def binds(self, node: cst.CSTNode, name: str) -> bool:
        """Whether the functions around a node have a parameter or variable of this name."""
        function = self.function_of(node)
        while function is not None:
            if (function, name) in self._bound:
                return True
            function = self.function_of(function)
        return False

    def place(self, node: cst.CSTNode) -> Place | None:
        """The variable or attribute that an expression names; None for any other, and for names of outer scopes."""
        if isinstance(node, cst.Attribute):
            name = self.module.attribute(node)
            return None if name is None else (None, name)
        if isinstance(node, cst.Subscript):
            owner = in_dict(node)
            return None if owner is None or self.module.attribute(owner[0]) != "__dict__" else (None, owner[1])
        if not isinstance(node, cst.Name):
            return None
        function = self.function_of(node)
        if function is None and isinstance(self.module.parent(node), cst.AssignTarget | cst.AnnAssign):
            return None, node.value  # of the class, and so of each instance
        while function is not None:
            if (function, node.value) in self._bound:
                assigns = self._renewed.get((function, node.value))
                return function, f"{node.value}, {turn(self.module, node, assigns)}" if assigns else node.value
            function = self.function_of(function)
        return None

    def callee(self, call: cst.Call) -> cst.FunctionDef | None:
        """The method of this class, or the function within a method, that is called."""
        match call.func:
            case cst.Name(value=name):
                function = self.function_of(call)
                while function is not None:
                    if (function, name) in self._functions:
                        return self._functions[function, name]
                    function = self.function_of(function)
            case cst.Attribute(value=owner, attr=cst.Name(value=name)):
                if self.module.is_self(owner) or self._is_own_class(owner):
                    return self.module.methods.get(name)
        return None

    def _is_own_class(self, node: cst.BaseExpression) -> bool:
        match node:
            case cst.Name(value=name):
                return name in ("cls", self.module.name.rpartition(".")[2])
            case cst.Call(func=cst.Name("type"), args=[cst.Arg(value=one)]):
                return self.module.is_self(one)
        return self.module.attribute(node) == "__class__"

    def parameters(self, call: cst.Call, function: cst.FunctionDef) -> Iterator[tuple[cst.Param, cst.BaseExpression]]:
        """The parameters of a function of this class, with what a call passes for them."""
        named = [*function.params.posonly_params, *function.params.params]
        by_name = {param.name.value: param for param in (*named, *function.params.kwonly_params)}
        through_self = isinstance(call.func, cst.Attribute) and function is self.module.methods.get(function.name.value)
        if (through_self and self.module.self_name(function) is not None) or _is_class_method(function):
            named = named[1:]
        for place, arg in enumerate(call.args):
            if arg.star:
                return
            if arg.keyword is not None:
                if arg.keyword.value in by_name:
                    yield by_name[arg.keyword.value], arg.value
            elif place < len(named):
                yield named[place], arg.value

    def results(self, function: cst.FunctionDef) -> tuple[list[cst.BaseExpression], list[cst.BaseExpression]]:
        """What a function returns, and what it yields."""
        returned = [
            each.value
            for each in self.module.nodes(cst.Return, within=function)
            if each.value is not None and self.function_of(each) is function
        ]
        yielded = [
            each.value
            for each in self.module.nodes(cst.Yield, within=function)
            if isinstance(each.value, cst.BaseExpression) and self.function_of(each) is function
        ]
        return returned, yielded

    # ---- reading the class

    def _bind(self) -> None:
        """Note which function binds which names, and the functions within functions."""
        module = self.module
        for param in module.nodes(cst.Param):
            self._bound.add((self.function_of(param), param.name.value))
        for function in module.nodes(cst.FunctionDef):
            outer = self.function_of(function)
            if outer is not None:
                self._functions[outer, function.name.value] = function
        loops: list[cst.For | cst.CompFor | cst.NamedExpr] = [
            *module.nodes(cst.For),
            *module.nodes(cst.CompFor),
            *module.nodes(cst.NamedExpr),
        ]
        targets = [*(target for target, _ in module.assignments()), *(loop.target for loop in loops)]
        bound: list[Place] = [(self.function_of(name), name.value) for each in targets for name in _names(each)]
        self._renewed = renewals(module, [*bound, *self._bound])
        self._bound.update(bound)

    def _fill(self) -> None:
        module = self.module
        for assign in module.nodes(cst.Assign):
            targets = [target.target for target in assign.targets]
            variable = next((each for each in targets if isinstance(each, cst.Name)), None)
            attribute = next((each for each in targets if module.attribute(each)), None)
            for target in targets:
                # of `self.x = x = []` the attribute holds what the variable does
                other = variable or (attribute if isinstance(target, cst.Subscript) else None)
                self._assign(target, assign.value if other in (None, target) else other)
        for annotated in module.nodes(cst.AnnAssign):
            if annotated.value is not None:
                self._assign(annotated.target, annotated.value)
        for walrus in module.nodes(cst.NamedExpr):
            self._assign(walrus.target, walrus.value)
        loops: list[cst.For | cst.CompFor] = [*module.nodes(cst.For), *module.nodes(cst.CompFor)]
        for loop in loops:
            for name in _names(loop.target):
                self._add(name, loop.iter, How.PART)
        for augmented in module.nodes(cst.AugAssign):
            self._add(whole(augmented.target), augmented.value, How.INSIDE)
        for call in module.nodes(cst.Call):
            self._call(call)

    def _assign(self, target: cst.BaseExpression, value: cst.BaseExpression) -> None:
        match target, value:
            case (
                cst.Tuple(elements=targets) | cst.List(elements=targets),
                cst.Tuple(elements=values) | cst.List(elements=values),
            ) if len(targets) == len(values) and not any(_starred(each) for each in (*targets, *values)):
                for one, its in zip(targets, values, strict=True):
                    self._assign(one.value, its.value)
            case cst.Tuple(elements=targets), cst.Call() if results := self._tuples(value, len(targets)):
                for result in results:
                    self._assign(target, result)
            case cst.Tuple(elements=targets) | cst.List(elements=targets), _:
                for one in targets:
                    self._add(one.value, value, How.PART)
            case cst.Subscript(value=owner, slice=[cst.SubscriptElement(slice=cst.Index(value=key))]), _:
                if self.place(target) is not None:
                    self._add(target, value, How.WHOLE)
                else:
                    inner = isinstance(owner, cst.Subscript) and self.place(owner) is None
                    self._add(whole(owner), value, How.ELEMENT, None if inner else key)
            case cst.Subscript(value=owner), _:
                self._add(whole(owner), value, How.INSIDE)
            case _:
                self._add(target, value, How.WHOLE)

    def _tuples(self, call: cst.Call, length: int) -> list[cst.BaseExpression]:
        """What a function of the class returns, where that is nothing but tuples of this length."""
        function = self.callee(call)
        returned, yielded = self.results(function) if function is not None else ([], [])
        fit = all(isinstance(each, cst.Tuple) and len(each.elements) == length for each in returned)
        return returned if fit and not yielded else []

    def set_by(self, call: cst.Call) -> Place | None:
        """The attribute that `setattr(self, name, value)` sets: by its name, or by `{name}` where that is computed."""
        match call:
            case cst.Call(func=cst.Name("setattr"), args=[own, name, _]) if self.module.is_self(own.value):
                if isinstance(name.value, cst.SimpleString):
                    return None, str(name.value.evaluated_value)
                return None, f"{{{self.module.code(name.value)}}}"
        return None

    def filler(self, call: cst.Call) -> cst.Attribute | None:
        """The `x.append` that is called, by itself or by a variable for it."""
        place = self.place(call.func) if isinstance(call.func, cst.Name) else None
        flows = self.into.get(place, ()) if place else ()
        called = flows[0].value if len(flows) == 1 and flows[0].how is How.WHOLE else call.func
        return called if isinstance(called, cst.Attribute) and called.attr.value in FILLERS else None

    def _call(self, call: cst.Call) -> None:
        match call:
            case cst.Call(func=cst.Name("setattr"), args=[_, _, given]) if (place := self.set_by(call)) is not None:
                self.into.setdefault(place, []).append(Flow(given.value, How.WHOLE, call))
            case cst.Call(args=[first, *_]) if (filler := self.filler(call)) is not None:
                owner, verb = filler.value, filler.attr.value
                for arg in call.args if verb == "update" else call.args[-1:]:
                    named = arg.keyword is not None or arg.star == "**"
                    key = first.value if verb == "setdefault" else None
                    several = verb in _SEVERAL and not (arg.keyword is not None)
                    self._add(
                        whole(owner), arg.value, How.INSIDE if several else How.ELEMENT, key if not named else None
                    )
        for attribute, value in handed_up(self.module, call):
            self.into.setdefault((None, attribute), []).append(Flow(value, How.ELEMENT, call))
        if (function := self.callee(call)) is not None:
            self.calls.setdefault(function, []).append(call)
            for param, value in self.parameters(call, function):
                into = (function, param.name.value)
                self.into.setdefault(into, []).append(Flow(value, How.WHOLE, param.name))
                self._alias(into, value)

    def _add(
        self, target: cst.BaseExpression, value: cst.BaseExpression, how: How, key: cst.BaseExpression | None = None
    ) -> None:
        place = self.place(target)
        if place is None:
            return
        self.into.setdefault(place, []).append(Flow(value, how, target, key))
        if place[0] is not None and how in (How.WHOLE, How.PART):
            self._alias(place, value)

    def _alias(self, place: Place, value: cst.BaseExpression) -> None:
        values = [value]
        match value:
            case cst.Tuple(elements=items) | cst.List(elements=items):  # `for layers in (self.ups, self.downs)`
                values = [item.value for item in items]
            case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name("items" | "values")), args=[]):
                values = [owner]
        for each in values:
            original = self.place(whole(each))
            if original is not None and original != place:
                self.aliases.setdefault(original, []).append(place)

    def _use(self) -> None:
        nodes: list[Sequence[cst.BaseExpression]] = [self.module.nodes(cst.Name), self.module.nodes(cst.Attribute)]
        for kind in nodes:
            for node in kind:
                if (place := self.place(node)) is not None:
                    self.uses.setdefault(place, []).append(node)


def _names(target: cst.CSTNode) -> Iterator[cst.Name]:
    stack = [target]
    while stack:
        match stack.pop():
            case cst.Name() as name:
                yield name
            case cst.Tuple(elements=elements) | cst.List(elements=elements):
                stack.extend(element.value for element in reversed(elements))


def _starred(element: cst.BaseElement) -> bool:
    return isinstance(element, cst.StarredElement)


def _is_class_method(function: cst.FunctionDef) -> bool:
    return any(
        isinstance(each.decorator, cst.Name) and each.decorator.value == "classmethod" for each in function.decorators
    )
