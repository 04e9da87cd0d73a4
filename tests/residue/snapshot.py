"""Everything a forward, or somebody watching it, could leave changed: taken before and after, then compared."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from torch import nn

from tests.residue.bits import unobserved

Key = tuple[str, str]  # a kind, and whose: ("buffer", "'norm.running_mean' bits")

# What trace() does not promise to undo: it must then be as after a plain run.
KEPT = frozenset({"parameter", "tensor", "input", "object", "lazy"})


# What namespaces remember of warnings already given and of weights already computed.
_MEMORIES = frozenset({"__warningregistry__", "_cache", "_cache_enabled"})


@dataclass(frozen=True)
class Snapshot:
    """`facts` are compared by value; `bindings` are namespaces, compared name by name by identity, and by order."""

    facts: dict[Key, Any] = field(default_factory=dict)
    bindings: dict[Key, dict[Any, Any]] = field(default_factory=dict)
    lazy: set[int] = field(default_factory=set)  # ids of modules that are, or were, not materialized


def take(model: nn.Module, inputs: Any, before: Snapshot | None = None) -> Snapshot:
    """The state of the process as this thread sees it, of `model`, and of what it is called with."""
    from tests.residue.model_state import observe_model
    from tests.residue.process_state import observe_process

    snapshot = Snapshot(lazy=before.lazy if before else set())
    observe_process(snapshot)
    with unobserved():
        observe_model(snapshot, model, inputs)
    return snapshot


def changes(before: Snapshot, after: Snapshot) -> dict[Key, str]:
    """What differs, as text, by kind and owner."""
    found = {}
    for key in before.facts.keys() | after.facts.keys():
        old, new = before.facts.get(key, "(absent)"), after.facts.get(key, "(absent)")
        if type(old) is type(new) is frozenset:
            old, new = old - new, new - old
        if old != new:
            found[key] = f"{_short(old)} -> {_short(new)}"
    for key in before.bindings.keys() | after.bindings.keys():
        if key[0] == "class" and not (key in before.bindings and key in after.bindings):
            continue  # a module changed its class, which is a change of that module
        found.update(_rebound(key, before.bindings.get(key, {}), after.bindings.get(key, {})))
    return found


def _rebound(key: Key, before: Mapping[Any, Any], after: Mapping[Any, Any]) -> dict[Key, str]:
    same = len(before) == len(after) and all(map(operator.is_, before.values(), after.values()))
    if same and list(before) == list(after):
        return {}
    kind, owner = key
    found = {}
    for name in [*before, *(name for name in after if name not in before)]:
        if kind == "namespace" and (name in _MEMORIES or isinstance(after.get(name), ModuleType)):
            continue  # a submodule imported for the first time is bound in its package
        if name not in after:
            found[kind, f"{owner} {name}"] = "removed"
        elif name not in before:
            found[kind, f"{owner} {name}"] = "added"
        elif before[name] is not after[name]:
            found[kind, f"{owner} {name}"] = f"rebound: {_short(before[name])} -> {_short(after[name])}"
    if not found and kind != "namespace" and list(before) != list(after):
        found[kind, f"{owner} order"] = f"{list(before)} -> {list(after)}"
    return found


def _short(value: Any) -> str:
    """User objects may have a hostile repr: only plain values are shown."""
    if type(value) is frozenset:
        return f"{{{', '.join(sorted(map(str, value)))}}}"
    if value is None or type(value) in (bool, int, float, str, tuple):
        try:
            return repr(value)[:200]
        except Exception:
            pass
    return f"<{type(value).__name__} at {id(value):#x}>"


def beyond_plain(traced: tuple[Snapshot, Snapshot], plain: tuple[Snapshot, Snapshot], *, undone: bool) -> list[str]:
    """Violations of one run, given (before, after) of it and of its twin.

    With `undone` (trace) all must be as before, but for the KEPT kinds; otherwise (record) as after a plain run.
    """
    left, expected = changes(*traced), changes(*plain)
    found = []
    for key in sorted(left.keys() | expected.keys()):
        kind, owner = key
        if key in left and undone and kind not in KEPT:
            found.append(f"{kind} {owner} was left behind: {left[key]}")
        elif key in left and key not in expected:
            found.append(f"{kind} {owner} changed, in a plain run it does not: {left[key]}")
        elif key in expected and key not in left and not undone:
            found.append(f"{kind} {owner} did not change, in a plain run it does: {expected[key]}")
        elif (
            key in left
            and _value(traced[1], key) != _value(plain[1], key)
            and _value(traced[0], key) == _value(plain[0], key)
        ):
            found.append(f"{kind} {owner} is not as after a plain run: {left[key]} instead of {expected[key]}")
    return found


def _value(snapshot: Snapshot, key: Key) -> Any:
    return snapshot.facts.get(key)
