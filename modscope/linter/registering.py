"""The change that puts a plain container's Modules or parameters where nn.Module sees them, or why it would not do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from modscope.linter import cst
from modscope.linter.contained import How
from modscope.linter.containers import Container, Held
from modscope.linter.definitions import is_named_tuple
from modscope.linter.flows import Flows
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Change, Replace

_MODULES = {"list": "torch.nn.ModuleList", "tuple": "torch.nn.ModuleList", "dict": "torch.nn.ModuleDict"}
_PARAMETERS = {"list": "torch.nn.ParameterList", "tuple": "torch.nn.ParameterList", "dict": "torch.nn.ParameterDict"}

# What a plain container can and the registering one cannot.
_LACKS = {
    "torch.nn.ModuleList": frozenset({"remove", "sort", "reverse", "index", "count", "copy", "clear"}),
    "torch.nn.ParameterList": frozenset(
        {"remove", "sort", "reverse", "index", "count", "copy", "clear", "insert", "pop"}
    ),
    "torch.nn.ModuleDict": frozenset({"get", "setdefault", "popitem", "fromkeys", "copy"}),
    "torch.nn.ParameterDict": frozenset(),
}
# Names that a child of a ModuleDict must not have, for they are attributes of it.
_NO_CHILD = """
    T_destination add_module apply bfloat16 buffers call_super_init children clear compile cpu cuda double dump_patches
    eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half items keys modules
    named_buffers named_children named_modules named_parameters parameters pop register_buffer register_module
    register_parameter requires_grad_ set_extra_state share_memory state_dict to to_empty train training type update
    values xpu zero_grad
"""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What a match says of its fix: changes and the imports they need, or the reason why there is none."""

    changes: tuple[Change, ...] = ()
    imports: tuple[str, ...] = ()
    no_fix: str | None = None


def registrar(container: Container, held: Held) -> str | None:
    """What keeps such elements registered: "torch.nn.ModuleDict"; None where torch has no such container."""
    return (_PARAMETERS if held is Held.PARAMETER else _MODULES).get(container.shape)


def remedy(container: Container, held: Held, module: ModuleClass) -> Remedy:
    """Wrap the container's first value in what registers elements of this kind."""
    name = registrar(container, held)
    if name is None:
        return Remedy(no_fix=f"torch has nothing that registers a {container.shape}")
    reason = next(_obstacles(container, held, module, name), None)
    spelling = module.spelling(name)
    if spelling is not None and module.once(Flows).binds(container.value, spelling[0].partition(".")[0]):
        spelling = None
    if reason is None and spelling is None:
        reason = f"this file uses the name {name.rpartition('.')[2]} for something else"
    if reason is not None or spelling is None:
        return Remedy(no_fix=reason)
    written, imports = spelling
    value = container.value
    if isinstance(value, cst.Tuple) and not value.lpar:
        value = value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    inside = () if _is_empty(value) else (cst.Arg(value),)
    return Remedy((Replace(container.value, cst.Call(_parsed(written), inside)),), imports)


@cache
def _parsed(name: str) -> cst.BaseExpression:
    return cst.parse_expression(name)


def _obstacles(container: Container, held: Held, module: ModuleClass, name: str) -> Iterator[str]:
    attribute = container.attribute
    wanted = {Held.PARAMETER} if held is Held.PARAMETER else {Held.WEIGHTED, Held.STATELESS, Held.REGISTERED}
    yield from _bad_assignment(container, module)
    if container.nested:
        yield f"containers in `self.{attribute}` are plain too"
    if any(element.held not in wanted and not _is_none(element.node) for element in container.elements):
        one = "a parameter" if held is Held.PARAMETER else "a Module"
        yield f"not everything in `self.{attribute}` is certainly {one}"
    if container.shape == "dict":
        yield from _bad_keys(container)
    yield from _bad_uses(container, name, module)


def _bad_assignment(container: Container, module: ModuleClass) -> Iterator[str]:
    """Why the value that is assigned first cannot simply be wrapped."""
    attribute, flows = container.attribute, module.once(Flows)
    set_here = isinstance(module.parent(container.node), cst.AssignTarget | cst.AnnAssign | cst.Element)
    if isinstance(container.value, cst.Call) and is_named_tuple(
        module.index, module.name_of(container.value.func) or ""
    ):
        yield f"torch has nothing that registers `{module.code(container.value.func)}`"
    elif not (set_here and isinstance(container.node, cst.Attribute)):
        yield f"`self.{attribute}` is not set by an assignment of this class"
    elif module.method_of(container.value) is not module.method_of(container.node):
        yield f"`self.{attribute}` is set to what another method makes"
    elif isinstance(module.parent(container.value), cst.AssignTarget):
        yield f"`self.{attribute}` and a variable are assigned the same container"
    for flow in flows.into.get((None, attribute), ()):
        reads_itself = isinstance(flow.value, cst.BinaryOperation) and module.attribute(flow.value.left) == attribute
        if flow.how is How.WHOLE and flow.value is not container.value and not reads_itself:
            yield f"`self.{attribute}` is assigned elsewhere too"
    place = flows.place(container.value)
    for flow in flows.into.get(place, ()) if place else ():
        if flow.how in (How.ELEMENT, How.INSIDE) and not module.is_before(flow.target, container.value):
            yield "the variable is filled after it was assigned"


def _bad_uses(container: Container, name: str, module: ModuleClass) -> Iterator[str]:
    """What the class does with the container that its replacement cannot do."""
    attribute, short = container.attribute, name.rpartition(".")[2]
    for use in module.uses(attribute):
        match module.parent(use):
            case cst.Attribute(attr=cst.Name(verb)) if verb in _LACKS[name]:
                yield f"`.{verb}` is used, which {short} lacks"
            case cst.AnnAssign(target=target) if target is use:
                yield f"`self.{attribute}` is annotated as what it is now"
            case cst.Comparison(left=left, comparisons=[cst.ComparisonTarget(operator=operator), *_]) if left is use:
                if not isinstance(operator, cst.Is | cst.IsNot):
                    yield f"`self.{attribute}` is compared, and {short} equals nothing but itself"
            case cst.ComparisonTarget(operator=cst.Equal() | cst.NotEqual()):
                yield f"`self.{attribute}` is compared, and {short} equals nothing but itself"
            case cst.Subscript(slice=[cst.SubscriptElement(slice=cst.Slice())]) as part if isinstance(
                module.parent(part), cst.AssignTarget
            ):
                yield f"a slice of `self.{attribute}` is assigned, which {short} does not take"
            case cst.BinaryOperation(operator=cst.Add(), right=right) if right is use:
                yield f"`self.{attribute}` is added to a list, which {short} cannot be"
            case cst.BinaryOperation(operator=cst.BitOr()) | cst.AugAssign(operator=cst.BitOrAssign()):
                yield f"`|` is used, which {short} lacks"
            case cst.Arg() as arg if _checks_type(module.parent(arg)):
                yield f"its type is checked, and {short} is no {container.shape}"
            case cst.BinaryOperation(operator=cst.Multiply()):
                yield f"`self.{attribute}` is multiplied, which {short} cannot be"


def _checks_type(call: cst.CSTNode | None) -> bool:
    return isinstance(call, cst.Call) and isinstance(call.func, cst.Name) and call.func.value in ("isinstance", "type")


def _bad_keys(container: Container) -> Iterator[str]:
    for key in container.keys:
        match key:
            case cst.SimpleString() as text:
                value = str(text.evaluated_value)
                if not value or "." in value or value in _NO_CHILD.split():
                    yield f"a child cannot be called {value!r}"
            case cst.FormattedString() | cst.Call(func=cst.Name("str")):
                pass
            case _:
                yield "its keys are not certainly strings"


def _is_none(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Name) and node.value == "None"


def _is_empty(node: cst.BaseExpression) -> bool:
    match node:
        case cst.List(elements=items) | cst.Tuple(elements=items) | cst.Dict(elements=items) | cst.Call(args=items):
            return not items
    return False
