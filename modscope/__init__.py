"""The truth about nn.Module trees: what is registered, what ran, and where the two disagree."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modscope.api import (
        compare,
        dataflow,
        fake,
        inspect,
        lint,
        lint_source,
        load,
        module_graph,
        partial_trace,
        record,
        render,
        save,
        summary,
        trace,
    )
    from modscope.data import ModuleTree, Trace
    from modscope.errors import ModscopeError
    from modscope.findings import Finding, Report

__version__ = "0.1.0"

__all__ = [
    "Finding",
    "ModscopeError",
    "ModuleTree",
    "Report",
    "Trace",
    "__version__",
    "compare",
    "dataflow",
    "fake",
    "inspect",
    "lint",
    "lint_source",
    "load",
    "module_graph",
    "partial_trace",
    "record",
    "render",
    "save",
    "summary",
    "trace",
]

# Public names are resolved on first use (PEP 562), so that `import modscope` loads nothing heavy.
_HOMES = {"Finding": "findings", "ModscopeError": "errors", "ModuleTree": "data", "Report": "findings", "Trace": "data"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'modscope' has no attribute {name!r}")
    value = getattr(import_module(f"modscope.{_HOMES.get(name, 'api')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
