"""Trace, tree or comparison -> text or picture. One file per format, found by walking; `_` marks what is no format.

A format's file has one function `render(thing, *, options…)`: the annotation of its first parameter says what it can
show, its keyword parameters are its options.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, get_args, get_type_hints

from modscope.errors import ModscopeError

__all__ = ["formats", "render"]


def formats() -> tuple[str, ...]:
    """Names of all formats."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_")))


def render(thing: Any, format: str, **options: Any) -> str | bytes:
    """`thing` in this format; ModscopeError for an unknown format or option, or a thing it cannot show."""
    if format not in formats():
        raise ModscopeError(f"no format {format!r}; formats are {', '.join(formats())}")
    renderer = import_module(f"modscope.renderers.{format}")
    kinds = shows(renderer)
    if not isinstance(thing, kinds):
        possible = " or ".join(kind.__name__ for kind in kinds)
        raise ModscopeError(f"{format!r} shows a {possible}, not a {type(thing).__name__}")
    known = _options(renderer.render)
    for name in options:
        if name not in known:
            raise ModscopeError(f"{format!r} has no option {name!r}; its options are {', '.join(known) or 'none'}")
    rendered: str | bytes = renderer.render(thing, **options)
    return rendered


def shows(renderer: ModuleType) -> tuple[type, ...]:
    """The types a format's file can show."""
    hint = next(iter(get_type_hints(renderer.render).values()))
    return get_args(hint) or (hint,)


def _options(function: Callable[..., Any]) -> tuple[str, ...]:
    parameters = inspect.signature(function).parameters.values()
    return tuple(each.name for each in parameters if each.kind is each.KEYWORD_ONLY)
