"""Plain containers that a Module keeps: what is in them, how it got there, and whether anything registers it.

One analysis for every rule that asks "is this container registered?"; the rules differ in what they report of it.
Only what a class shows by itself counts: an element that is not certainly a fresh Module or parameter is no element.
`flows` says what is put where, `holdings` and `elements` what is in a container, `escapes` what registers a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from modscope.linter import cst
from modscope.linter.calls import is_literal
from modscope.linter.contained import Element, Flow, Held, Holding, How, State
from modscope.linter.definitions import Inherited, Shape, setting_up
from modscope.linter.escapes import KEPT_BY_TORCH, Escapes
from modscope.linter.flows import Flows
from modscope.linter.holdings import Holdings
from modscope.linter.known import MODULE_KINDS, Kind
from modscope.linter.module import ModuleClass

__all__ = ["Container", "Element", "Held", "Shape", "containers"]

_REGISTERED = MODULE_KINDS | {Kind.PARAMETER}
_FRESH = frozenset({Held.WEIGHTED, Held.STATELESS, Held.PARAMETER})
# What is done with a Module that is not to be trained.
_FREEZES = frozenset({"eval", "requires_grad_", "parameters", "load_state_dict", "from_pretrained"})


@dataclass(frozen=True, slots=True)
class Container:
    """A plain container that is an attribute of the instance."""

    attribute: str
    shape: Shape
    node: cst.BaseExpression  # the target `self.x` of its first assignment
    value: cst.BaseExpression  # what is assigned there
    elements: tuple[Element, ...]
    keys: tuple[cst.BaseExpression | None, ...] = ()  # of a dict; None where they cannot be told
    nested: bool = False  # containers stand in it

    def first(self, held: Held) -> Element | None:
        """The first element of this kind."""
        return next((element for element in self.elements if element.held is held), None)


def containers(module: ModuleClass) -> tuple[Container, ...]:
    """The plain containers that the class fills while it is set up and that nothing registers."""
    return tuple(_containers(module)) if not _guarded(module) else ()


def _guarded(module: ModuleClass) -> bool:
    """Whether setting an attribute may register what it holds, or code that is not written here may."""
    return module.has_method("__setattr__") or any(_runs_text(call) for call in module.nodes(cst.Call))


def _runs_text(call: cst.Call) -> bool:
    """Whether it is an `exec` whose text may set attributes of the instance."""
    match call:
        case cst.Call(func=cst.Name("exec"), args=[cst.Arg(value=cst.SimpleString() as text), *_]):
            return "self" in str(text.evaluated_value)
    return isinstance(call.func, cst.Name) and call.func.value == "exec"


def _containers(module: ModuleClass) -> Iterator[Container]:
    flows, escapes, bases = module.once(Flows), module.once(Escapes), module.once(Inherited)

    def counts(flow: Flow) -> bool:
        method = module.method_of(flow.target)
        return method in module.once(setting_up) or (method is None and _of_class(flow.target, module))

    holdings = Holdings(module, counts, escapes.registers)
    for place, into in flows.into.items():
        counted = [flow for flow in into if counts(flow)] if place[0] is None else []
        if not counted or _given_up(place[1], counted, module):
            continue
        _, attribute = place
        if attribute in KEPT_BY_TORCH:
            continue
        first = next((flow for flow in counted if flow.how is How.WHOLE), None)
        of_base = bases.keeps(attribute) if first is None else None
        held = holdings.of(place) if first or of_base else None
        if held is None or held.registers or not any(each.held in _FRESH for each in held.elements):
            continue
        shape = held.shapes[0] if held.shapes else of_base
        flow = first or counted[0]
        if (
            shape is None
            or module.has_method(attribute)
            or bases.hands(attribute)
            or _registered(attribute, held, escapes, module)
        ):
            continue
        if after_comma(flow.value, module) is not None:
            continue  # a slip, which has its own rule
        if not (_too_early(flow, module) or _hidden(flow.value, flows.uses.get(place, ()), flows)):
            elements, keys = tuple(held.elements), tuple(held.keys)
            yield Container(attribute, shape, flow.target, flow.value, elements, keys, held.nested)


def _of_class(target: cst.BaseExpression, module: ModuleClass) -> bool:
    """Whether it is a name that the class body itself binds, not that of a class in it."""
    around = (each for each in module.ancestors(target) if isinstance(each, cst.ClassDef))
    return isinstance(target, cst.Name) and next(around, module.node) is module.node


def after_comma(value: cst.BaseExpression, module: ModuleClass) -> cst.BaseExpression | None:
    """The Module or parameter that a comma after it has made a tuple of: `nn.Linear(4, 4),`."""
    match value:
        case cst.Tuple(elements=[cst.Element(value=alone)], lpar=[]) if module.kind_of(alone) in _REGISTERED:
            return alone
    return None


def _registered(attribute: str, held: Holding, escapes: Escapes, module: ModuleClass) -> bool:
    """Whether anything in the class registers the container, or what it holds, by another way."""
    if held.unknown or attribute in module.registered or escapes.answered(attribute):
        return True
    if attribute.startswith("{") and _may_be_meant(escapes, module):
        return True
    return escapes.registers((None, attribute), State.CONTAINER)


def _given_up(attribute: str, flows: Sequence[Flow], module: ModuleClass) -> bool:
    """Whether it served to set up: it is deleted there, or set to None in the end."""
    *earlier, last = sorted(flows, key=lambda flow: module.place(flow.target))
    emptied = is_literal(last.value, "None") and not _in_branch(last.target, module)
    here = any(module.method_of(each.target) is module.method_of(last.target) for each in earlier)
    deleted = (
        target
        for method in module.once(setting_up)
        for each in module.nodes(cst.Del, within=method)
        for target in module.nodes(cst.Attribute, within=each)
    )
    return (emptied and here) or any(module.attribute(target) == attribute for target in deleted)


def _in_branch(node: cst.CSTNode, module: ModuleClass) -> bool:
    """Whether a branch or loop of the method decides if it is reached."""
    blocks = cst.If | cst.Else | cst.Try | cst.ExceptHandler | cst.For | cst.While | cst.MatchCase
    return any(isinstance(each, blocks) for each in module.ancestors(node))


def _may_be_meant(escapes: Escapes, module: ModuleClass) -> bool:
    """Whether an attribute whose name is computed may be registered by a name that is not, or by its name again."""
    looked_up = (call for method in module.once(setting_up) for call in module.nodes(cst.Call, within=method))
    if any(isinstance(call.func, cst.Name) and call.func.value in ("getattr", "vars") for call in looked_up):
        return True
    flows = module.once(Flows)
    unset = [place for place in flows.uses if place[0] is None and place not in flows.into]
    return any(escapes.registers(place, State.CONTAINER) for place in unset)


def _too_early(flow: Flow, module: ModuleClass) -> bool:
    """Whether nothing could be registered yet: what is kept before `super().__init__()` serves to set up."""
    init = module.method_of(flow.target)
    start = module.once(_starts).get(init)
    return start is not None and module.is_before(flow.target, start)


def _starts(module: ModuleClass) -> Mapping[cst.FunctionDef | None, cst.Call]:
    """Method -> its first call of some `__init__`."""
    starts: dict[cst.FunctionDef | None, cst.Call] = {}
    for call in module.nodes(cst.Call):
        match call.func:
            case cst.Attribute(attr=cst.Name("__init__")):
                starts.setdefault(module.method_of(call), call)
    return starts


def _hidden(value: cst.BaseExpression, uses: Sequence[cst.BaseExpression], flows: Flows) -> bool:
    """Whether a frozen Module is hidden on purpose: alone in a list or tuple that is only ever read as `[0]`."""
    match value:
        case cst.List(elements=[cst.Element(value=alone)]) | cst.Tuple(elements=[cst.Element(value=alone)]):
            reads = [above for use in uses if not isinstance(above := flows.module.parent(use), cst.AssignTarget)]
            only_first = all(isinstance(each, cst.Subscript) and _is_first(each) for each in reads)
            return bool(reads) and only_first and _is_frozen(alone, flows)
    return False


def _is_first(read: cst.Subscript) -> bool:
    match read.slice:
        case [cst.SubscriptElement(slice=cst.Index(value=cst.Integer(value="0")))]:
            return True
    return False


def _is_frozen(node: cst.BaseExpression, flows: Flows) -> bool:
    """Whether an expression, or what is done with the variable that it is, says that the Module is not trained."""
    place = flows.place(node)
    module, values = flows.module, [node]
    uses: Sequence[cst.CSTNode] = () if place is None else flows.uses.get(place, ())
    values += () if place is None else [flow.value for flow in flows.into.get(place, ())]
    called = (call.func for value in values for call in module.nodes(cst.Call, within=value))
    return any(
        isinstance(each, cst.Attribute) and each.attr.value in _FREEZES
        for each in (*called, *(module.parent(use) for use in uses))
    )
