"""What a call passes."""

from __future__ import annotations

from modscope.linter import cst


def argument(call: cst.Call, name: str, position: int | None = None) -> cst.BaseExpression | None:
    """What the call passes for a parameter, by keyword or at its position; None when it is left out."""
    place = 0
    for arg in call.args:
        if arg.star:
            continue
        if arg.keyword is not None:
            if arg.keyword.value == name:
                return arg.value
        elif place == position:
            return arg.value
        else:
            place += 1
    return None


def spreads(call: cst.Call) -> bool:
    """Whether it passes `*args` or `**kwargs`, so that what is left out cannot be told."""
    return any(arg.star for arg in call.args)


def is_literal(node: cst.CSTNode | None, *names: str) -> bool:
    """Whether the expression is one of the words `True`, `False`, `None`."""
    return isinstance(node, cst.Name) and node.value in names
