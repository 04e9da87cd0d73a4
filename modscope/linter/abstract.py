"""Methods that are there to be written by those who inherit."""

from __future__ import annotations

from modscope.linter import cst


def is_abstract(method: cst.FunctionDef) -> bool:
    """Nothing but a docstring, `...` and a `raise`."""
    lines = method.body.body
    parts = [part for line in lines for part in (line.body if isinstance(line, cst.SimpleStatementLine) else [line])]
    return all(
        isinstance(part, cst.Raise)
        or (isinstance(part, cst.Expr) and isinstance(part.value, cst.BaseString | cst.Ellipsis))
        for part in parts
    )
