"""`def foward(self, x)`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule

_INIT = frozenset({"ini", "iinit", "iint", "init", "initt", "innit", "int", "inti", "nit"})


def _has_odd_name(candidate: Candidate) -> bool:
    return any(_resembles(name) for name in candidate.facts.methods)


@rule(fix="safe", trigger=_has_odd_name)
def misspelt_special_method(module: ModuleClass) -> Iterator[Match]:
    """A misspelt `forward` or `__init__` is never called by torch.

    The class then runs with what it inherits: `forward` raises NotImplementedError, and an `__init__` that did not run
    leaves the attributes out.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

            def foward(self, x):
                return self.fc(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

            def forward(self, x):
                return self.fc(x)

    Run time: `Module [Net] is missing the required "forward" function`.

    Not reported: classes that also have the right name, methods that the class itself calls by the name they have,
    and names that are a word of their own (`forward_features`, `_forward`).

    Fix: safe. It renames the method.
    """
    for name, method in module.methods.items():
        meant = _meant(name, method, module)
        if meant is None or meant in module.methods or name in module.once(_used):
            continue
        yield Match(
            method.name,
            f"`{name}` is never called: torch calls `{meant}`",
            replacement=meant,
        )


def _resembles(name: str) -> str | None:
    if "forward" not in name.lower() and _one_edit_apart(name, "forward"):
        return "forward"
    return "__init__" if name != "__init__" and "_" in name and name.strip("_") in _INIT else None


def _meant(name: str, method: cst.FunctionDef, module: ModuleClass) -> str | None:
    meant = _resembles(name)
    if meant != "__init__":
        return meant
    # `_init_` may be a helper's honest name; one that calls super().__init__() is none
    calls = (call.func for call in module.nodes(cst.Call, within=method))
    return meant if any(isinstance(func, cst.Attribute) and func.attr.value == "__init__" for func in calls) else None


def _used(module: ModuleClass) -> frozenset[str]:
    return frozenset(node.attr.value for node in module.nodes(cst.Attribute))


def _one_edit_apart(one: str, other: str) -> bool:
    """One letter dropped, added, changed, or two neighbours swapped."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[start:], other[start:]
    return a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
