"""`module.register_forward_hook(hook)` as a statement."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.rule import Match, rule
from modscope.linter.statement import Statement

_HOOKS = frozenset(
    {
        *("register_forward_hook", "register_forward_pre_hook", "register_backward_hook"),
        *("register_full_backward_hook", "register_full_backward_pre_hook"),
    }
)


@rule(default=False, severity=Severity.ADVICE, trigger=r"\.register_(full_)?(forward|backward)_(pre_)?hook\(")
def hook_handle_dropped(statement: Statement) -> Iterator[Match]:
    """A hook whose handle is not kept cannot be removed: it runs as long as the module lives.

    Code that looks into a model once leaves it slower, and whatever the hook collects grows with every call.

    Bad:
        def shapes(model, x):
            seen = []
            model.register_forward_hook(lambda module, args, output: seen.append(output.shape))
            model(x)
            return seen

    Good:
        def shapes(model, x):
            seen = []
            with model.register_forward_hook(lambda module, args, output: seen.append(output.shape)):
                model(x)
            return seen

    Run time: after `shapes(model, x)` the hook is still there.

    Not reported: hooks that are no lambda, since code that knows the function can find and remove it; hooks that a
    Module sets on itself or its own submodules, which are part of it.
    """
    for expression in statement.nodes(cst.Expr):
        match expression.value:
            case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name(name)), args=[hook, *_]) if name in _HOOKS:
                if isinstance(hook.value, cst.Lambda) and not _is_own(owner):
                    yield Match(expression.value, f"the handle that `{name}` returns is dropped: the hook stays")


def _is_own(owner: cst.BaseExpression) -> bool:
    """Whether it is the instance, a part of it, or `super()`."""
    while isinstance(owner, cst.Attribute | cst.Subscript):
        owner = owner.value
    return isinstance(owner, cst.Call) or (isinstance(owner, cst.Name) and owner.value == "self")
