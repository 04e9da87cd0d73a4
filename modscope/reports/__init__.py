"""Report -> text. One file per format, found by walking; `_` marks what is no format, `json_lines` is "json-lines".

A format's file has one function `render(report, *, options…)`. It prints nothing; same report, same text. Whatever a
report quotes (file names, source lines, messages) is foreign text and is escaped for where the format is read.
"""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from types import ModuleType

from modscope.errors import ModscopeError
from modscope.findings import Report

__all__ = ["formats", "options", "render"]


def formats() -> tuple[str, ...]:
    """Names of all formats."""
    names = (found.name for found in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.replace("_", "-") for name in names if not name.startswith("_")))


def options(format: str) -> tuple[str, ...]:
    """Names of the options a format takes; ModscopeError for a format that does not exist."""
    parameters = inspect.signature(_module(format).render).parameters.values()
    return tuple(each.name for each in parameters if each.kind is each.KEYWORD_ONLY)


def render(report: Report, format: str, **chosen: object) -> str:
    """The report in this format, without a newline at its end; ModscopeError for an unknown format or option."""
    known = options(format)
    for name in chosen:
        if name not in known:
            raise ModscopeError(f"{format!r} has no option {name!r}; its options are {', '.join(known) or 'none'}")
    rendered: str = _module(format).render(report, **chosen)
    return rendered


def _module(format: str) -> ModuleType:
    if format not in formats():
        raise ModscopeError(f"no report format {format!r}; formats are {', '.join(formats())}")
    return import_module(f"modscope.reports.{format.replace('-', '_')}")
