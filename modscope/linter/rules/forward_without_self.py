"""`def forward(x):` in a Module."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule

_USUAL = frozenset({"self", "_self", "self_", "_", "this", "me", "cls", "module", "model", "net"})


@rule(trigger=r"def\s+forward\s*\(\s*+(?!self\b)")
def forward_without_self(module: ModuleClass) -> Iterator[Match]:
    """A `forward` without `self` takes the module for its first input, and one argument too many.

    Bad:
        class Square(nn.Module):
            def forward(x):
                return x * x

    Good:
        class Square(nn.Module):
            def forward(self, x):
                return x * x

    Run time: `Square()(x)` raises "takes 1 positional argument but 2 were given".

    Not reported: static methods and other decorated ones, `*args`, nothing but `**kwargs`, and classes that call their
    instance by another name throughout.
    """
    method = module.methods.get("forward")
    if method is None or method.decorators or isinstance(method.params.star_arg, cst.Param):
        return
    if method.params.star_kwarg is not None and not method.params.params:
        return
    first = module.self_name(method)
    others = {module.self_name(each) for name, each in module.methods.items() if name != "forward"} - {None}
    if first in _USUAL or first in others:
        return
    if first is None or not _is_used_as_self(first, method, module):
        yield Match(method.name, f"`forward` of `{module.name}` has no `self`: its first argument is the module")


def _is_used_as_self(name: str, method: cst.FunctionDef, module: ModuleClass) -> bool:
    """Whether the parameter is asked for an attribute that the class sets or defines."""
    known = {*module.methods, *module.registered, *(attribute for attribute, _ in module.facts.assigned)}
    return any(
        isinstance(each.value, cst.Name) and each.value.value == name and each.attr.value in known
        for each in module.nodes(cst.Attribute, within=method)
    )
