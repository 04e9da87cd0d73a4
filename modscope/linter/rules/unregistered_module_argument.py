"""`def __init__(self, layers: list[nn.Module])`, and `self.layers = layers`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.attributes import is_set, uses
from modscope.linter.known import MODULE_KINDS
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.variables import bindings
from modscope.linter.variables import uses as uses_of_variable

_CONTAINERS = frozenset(
    [
        *(f"builtins.{name}" for name in ("dict", "list", "tuple")),
        *(f"{module}.{name}" for module in ("typing", "collections.abc") for name in ("Mapping", "Sequence")),
        *(f"typing.{name}" for name in ("Dict", "List", "Tuple")),
    ]
)
_COPIES = frozenset({"builtins.dict", "builtins.list", "builtins.tuple"})
_READERS = _COPIES | {f"builtins.{name}" for name in ("enumerate", "isinstance", "len", "range", "reversed", "zip")}


@rule(
    default=False,
    severity=Severity.WARNING,
    words=("Module",),
    trigger=r":\s*[\w.]*([Ll]ist|[Tt]uple|[Dd]ict|Sequence|Mapping)\[",
)
def unregistered_module_argument(module: ModuleClass) -> Iterator[Match]:
    """Modules that are handed in as a list or dict, and kept as one, are not registered.

    `parameters()`, `to()`, `train()` and `state_dict()` do not reach them, unless another module has them too.

    Bad:
        class Ensemble(nn.Module):
            def __init__(self, models: list[nn.Module]):
                super().__init__()
                self.models = models

            def forward(self, x):
                return sum(model(x) for model in self.models)

    Good:
        class Ensemble(nn.Module):
            def __init__(self, models: list[nn.Module]):
                super().__init__()
                self.models = nn.ModuleList(models)

            def forward(self, x):
                return sum(model(x) for model in self.models)

    Run time: `Ensemble([nn.Linear(4, 4)]).parameters()` is empty.

    Not reported: arguments without such an annotation, or that are handed on to anything else; classes that register
    under names made at run time, or set attributes by name.
    """
    init = module.methods.get("__init__")
    if init is None or _registers_by_name(module):
        return
    for target, value in module.assignments(within=init):
        name, argument = module.attribute(target), _copied(value, module)
        if name is None or name in module.registered or not isinstance(argument, cst.Name):
            continue
        if _is_of_modules(argument, module) and _only_kept(argument, init, module) and _only_read(name, target, module):
            yield Match(target, f"`self.{name}` keeps the modules that it is given, and registers none of them")


def _copied(value: cst.BaseExpression, module: ModuleClass) -> cst.BaseExpression:
    """`x` of `x` and of `list(x)`."""
    match value:
        case cst.Call(func=func, args=[arg]) if module.name_of(func) in _COPIES:
            return arg.value
    return value


def _is_of_modules(argument: cst.Name, module: ModuleClass) -> bool:
    """Whether it is a parameter of `__init__` that is annotated as a container of Modules."""
    bound = bindings(module, argument)
    param = module.parent(bound[0].name) if len(bound) == 1 else None
    match param:
        case cst.Param(annotation=cst.Annotation(annotation=cst.Subscript(value=container, slice=[first, *rest]))):
            if module.name_of(container) not in _CONTAINERS:
                return False
            last = rest[0] if rest and not _is_ellipsis(rest[0]) else first
            return isinstance(last.slice, cst.Index) and _is_module(last.slice.value, module)
    return False


def _is_ellipsis(element: cst.SubscriptElement) -> bool:
    return isinstance(element.slice, cst.Index) and isinstance(element.slice.value, cst.Ellipsis)


def _is_module(annotation: cst.BaseExpression, module: ModuleClass) -> bool:
    name = module.name_of(annotation)
    return name is not None and module.index.kind(name) in MODULE_KINDS


def _only_kept(argument: cst.Name, init: cst.FunctionDef, module: ModuleClass) -> bool:
    """Whether nothing but the attribute gets the modules."""
    others = [use for use in uses_of_variable(module, argument.value, init) if use is not argument]
    return all(_is_read(use, module) for use in others)


def _only_read(name: str, target: cst.BaseExpression, module: ModuleClass) -> bool:
    others = [use for use in uses(module, name) if use is not target]
    return not any(is_set(module, use) for use in others) and all(
        _is_read(use, module) for use in others if module.method_of(use) in module.init
    )


def _is_read(use: cst.CSTNode, module: ModuleClass) -> bool:
    """Whether its length is asked for, or it is walked over to no effect that registers."""
    arg = module.parent(use)
    call = module.parent(arg) if isinstance(arg, cst.Arg) else None
    return isinstance(call, cst.Call) and module.name_of(call.func) in _READERS


def _registers_by_name(module: ModuleClass) -> bool:
    if module.has_method("__setattr__"):
        return True
    named = {each.attr.value for each in module.nodes(cst.Attribute)}
    if named & {"add_module", "register_module", "_modules", "__dict__"}:
        return True
    return any(module.name_of(call.func) == "builtins.setattr" for call in module.nodes(cst.Call))
