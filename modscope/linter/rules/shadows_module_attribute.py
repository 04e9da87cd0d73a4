"""`self.type = "conv"` in a Module."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.known import MODULE_KINDS, Kind
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.variables import values

# Methods of nn.Module that nobody is meant to replace, by the number of arguments they are called with.
_CALLED_WITH = {
    0: "bfloat16 buffers children compile cpu cuda double float half ipu modules mtia named_buffers "
    "named_children named_modules named_parameters parameters requires_grad_ share_memory state_dict xpu zero_grad",
    1: "apply get_buffer get_parameter get_submodule load_state_dict register_forward_hook "
    "register_forward_pre_hook register_full_backward_hook to type",
    2: "add_module register_buffer register_module register_parameter",
}
_METHODS = {name: count for count, names in _CALLED_WITH.items() for name in names.split()}
_GIVE_DATA = frozenset({"format", "get", "join", "lower", "pop", "split", "strip", "upper"})
_SWITCHES = ("eval", "extra_repr", "train")  # methods that are overridden on purpose
_ATTRIBUTES = {*_METHODS, *_SWITCHES}


def _takes_a_name(candidate: Candidate) -> bool:
    assigned = (name for name, _ in candidate.facts.assigned)
    return not _METHODS.keys().isdisjoint(candidate.facts.methods) or any(name in _ATTRIBUTES for name in assigned)


@rule(trigger=_takes_a_name)
def shadows_module_attribute(module: ModuleClass) -> Iterator[Match]:
    """An attribute with the name of a method of nn.Module hides the method, and whatever calls it breaks.

    torch calls these methods itself, on every child: `model.half()` calls `apply`, an optimizer is given
    `parameters()`, `state_dict()` walks over children. A module or parameter under such a name is worse: it is
    registered, but reading the attribute gives the method.

    Bad:
        class Block(nn.Module):
            def __init__(self, type):
                super().__init__()
                self.type = type

    Good:
        class Block(nn.Module):
            def __init__(self, type):
                super().__init__()
                self.block_type = type

    Run time: `Block("conv").type(torch.float16)` raises TypeError: 'str' object is not callable.

    Not reported: arguments and variables of that name, functions set on purpose (`model.train = keep_eval`), and
    methods that take what the method of nn.Module takes.
    """
    for target, value in module.assignments():
        name = module.attribute(target)
        if name not in _ATTRIBUTES:
            continue
        kind = module.kind_of(value)
        if kind in MODULE_KINDS or kind is Kind.PARAMETER:
            yield Match(target, f"reading `self.{name}` gives the method of nn.Module, never what is registered here")
        elif _is_data(value, module) and name not in module.once(_called):
            yield Match(target, f"`self.{name}` hides the method of nn.Module: `model.{name}(...)` breaks")
    for name, method in module.methods.items():
        if name in _METHODS and not _fits(method, _METHODS[name], module):
            yield Match(method.name, f"`{name}` replaces the method of nn.Module and cannot be called like it")


def _is_data(value: cst.BaseExpression | None, module: ModuleClass, seen: frozenset[str] = frozenset()) -> bool:
    """Whether the value is certainly no function that was put there on purpose."""
    match value:
        case cst.IfExp(body=one, orelse=other):
            return _is_data(one, module, seen) and _is_data(other, module, seen)
        case cst.Name(value="True" | "False" | "None"):
            return True
        case cst.Name(value=name):
            if name in seen:  # `type = "conv" if type is None else type`
                return True
            given = values(module, value)
            return bool(given) and all(each is None or _is_data(each, module, seen | {name}) for each in given)
        case cst.Call(func=called):
            full = module.name_of(called)
            if full is not None:
                return full.startswith(("torch.", "builtins.", "collections.", "numpy."))
            return isinstance(called, cst.Attribute) and called.attr.value in _GIVE_DATA
        case cst.Attribute() | cst.Subscript():
            return _is_setting(value, module)
    return isinstance(
        value,
        cst.BaseNumber
        | cst.BaseString
        | cst.BaseList
        | cst.BaseDict
        | cst.BaseSet
        | cst.Tuple
        | cst.Comparison
        | cst.BinaryOperation
        | cst.BooleanOperation
        | cst.UnaryOperation,
    )


def _is_setting(value: cst.BaseExpression, module: ModuleClass) -> bool:
    """Whether it is read out of an argument or an attribute: `config.type`, `self.config.type`, `options["type"]`."""
    owner = value.value if isinstance(value, cst.Attribute | cst.Subscript) else None
    if isinstance(owner, cst.Name):
        return not module.is_self(owner) and bool(values(module, owner))
    return isinstance(owner, cst.Attribute | cst.Subscript) and module.name_of(owner) is None


def _called(module: ModuleClass) -> frozenset[str | None]:
    return frozenset(module.attribute(call.func) for call in module.nodes(cst.Call))


def _fits(method: cst.FunctionDef, count: int, module: ModuleClass) -> bool:
    """Whether the method takes that many arguments; one with a decorator, or that calls the original, is trusted."""
    params = method.params
    own = [*params.posonly_params, *params.params][1:]
    if method.decorators:
        return not any(
            isinstance(each.decorator, cst.Name) and each.decorator.value == "property" for each in method.decorators
        )
    if isinstance(params.star_arg, cst.Param) or any(
        isinstance(call.func, cst.Name) and call.func.value == "super" for call in module.nodes(cst.Call, within=method)
    ):
        return True
    required = [each for each in own if each.default is None]
    return len(required) <= count <= len(own) and all(each.default is not None for each in params.kwonly_params)
