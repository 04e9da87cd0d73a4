"""The parts of a LibCST node that mean something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any

from modscope.linter import cst

# Fields that hold layout, punctuation, or a name that is no variable.
_LAYOUT = """
    lpar rpar lbracket rbracket lbrace rbrace comma semicolon equal dot colon first_colon second_colon header footer
    leading_lines lines_after_decorators trailing_whitespace indent newline operator asynchronous star posonly_ind
    relative from_ cls attr keyword
"""
_SKIPPED = frozenset(_LAYOUT.split())
_children: dict[type, Callable[[Any], Any]] = {}
_node_types: dict[type, bool] = {}


def children(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The node's parts in source order, layout and punctuation left out."""
    kind = type(node)
    get = _children.get(kind)
    if get is None:
        names = [f.name for f in fields(kind) if f.name not in _SKIPPED and not f.name.startswith("whitespace")]
        if kind in (cst.FunctionDef, cst.ClassDef):
            names.remove("name")
            names.insert(0, names.pop(names.index("decorators")))
            names.append(names.pop(names.index("body")))
        elif kind is cst.Parameters:
            names.insert(0, names.pop(names.index("posonly_params")))
        get = _children[kind] = attrgetter(*names) if len(names) > 1 else _single(names)
    found: list[cst.CSTNode] = []
    for value in get(node):
        if type(value) in (list, tuple):
            found += value
        elif _is_node(value):
            found.append(value)
    return found


def _is_node(value: object) -> bool:
    """Like isinstance, which for an abstract class costs more."""
    kind = type(value)
    if kind not in _node_types:
        _node_types[kind] = issubclass(kind, cst.CSTNode)
    return _node_types[kind]


def _single(names: list[str]) -> Callable[[Any], Any]:
    return (lambda node: (getattr(node, names[0]),)) if names else (lambda node: ())
