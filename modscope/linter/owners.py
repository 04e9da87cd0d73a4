"""Whose part an expression is: `c` of `c[i]`, the attribute of `self.__dict__["name"]`."""

from __future__ import annotations

from modscope.linter import cst

_INNER = frozenset({"setdefault", "get", "__getitem__"})


def whole(owner: cst.BaseExpression) -> cst.BaseExpression:
    """`c` of `c[i][j]` and of `c.setdefault(i, [])`."""
    while True:
        match owner:
            case cst.Subscript() if in_dict(owner) is not None:
                return owner
            case cst.Subscript(value=inner):
                owner = inner
            case cst.Call(func=cst.Attribute(value=inner, attr=cst.Name(verb))) if verb in _INNER:
                owner = inner
            case _:
                return owner


def in_dict(node: cst.Subscript) -> tuple[cst.Attribute, str] | None:
    """`o.__dict__` and "name" of `o.__dict__["name"]`."""
    match node:
        case cst.Subscript(
            value=cst.Attribute(attr=cst.Name("__dict__")) as owner,
            slice=[cst.SubscriptElement(slice=cst.Index(value=cst.SimpleString() as name))],
        ):
            return owner, str(name.evaluated_value)
    return None
