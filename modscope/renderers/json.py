"""Everything as JSON: a trace or tree as `modscope.load` reads it back, a comparison as plain fields."""

from __future__ import annotations

from dataclasses import asdict
from json import dumps

from modscope import schema
from modscope.data import ModuleTree, Trace
from modscope.graph import Comparison


def render(thing: Trace | ModuleTree | Comparison) -> str:
    """JSON text in ASCII; a trace or tree with its schema version."""
    if isinstance(thing, Comparison):
        return dumps({"kind": "comparison", **asdict(thing), "statuses": dict(thing.statuses)})
    return schema.dump(thing)
