"""`self.fc2(x)` where nothing sets `self.fc2`."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from modscope.linter import cst
from modscope.linter.attributes import is_set, uses
from modscope.linter.candidate import Candidate
from modscope.linter.module import ModuleClass
from modscope.linter.naming import OF_MODULES
from modscope.linter.rule import Match, rule

_REFLECTION = frozenset(
    {
        *("__dict__", "__getattr__", "__getattribute__", "__setattr__", "__class__"),
        *("_modules", "_parameters", "_buffers", "add_module", "register_module"),
    }
)
_REFLECTING = frozenset(f"builtins.{name}" for name in ("setattr", "vars", "exec", "eval", "locals"))


def _calls_what_it_does_not_set(candidate: Candidate) -> bool:
    facts, index = candidate.facts, candidate.index
    known = {*OF_MODULES, *facts.methods, *(name for name, _ in facts.assigned)}
    if not {"__init__", "forward"} <= facts.methods or not any(
        isinstance(call.func, ast.Attribute)
        and call.func.attr not in known
        and getattr(call.func.value, "id", "") == "self"
        for call in candidate.nodes(ast.Call)
    ):
        return False
    return [base and index.resolve(base, facts.scope) for base in facts.bases] == ["torch.nn.Module"]


@rule(trigger=_calls_what_it_does_not_set)
def undefined_submodule(module: ModuleClass) -> Iterator[Match]:
    """A submodule that nothing sets raises AttributeError when `forward` reaches it.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc1 = nn.Linear(4, 4)

            def forward(self, x):
                return self.fc2(self.fc1(x))

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc1 = nn.Linear(4, 4)
                self.fc2 = nn.Linear(4, 4)

            def forward(self, x):
                return self.fc2(self.fc1(x))

    Run time: `Net()(x)` raises AttributeError.

    Not reported: names that the file mentions in any other way, also in a string or a comment; classes that something
    in the file inherits from, that inherit from anything but `nn.Module`, that are decorated, have no `__init__` or
    set attributes by name.
    """
    if list(module.bases) != ["torch.nn.Module"] or "__init__" not in module.methods or _is_open(module):
        return
    calls = [call for method in module.reached_from("forward") for call in module.nodes(cst.Call, within=method)]
    called = {name for call in calls if (name := module.attribute(call.func)) is not None}
    unknown = {name for name in called if _is_unknown(name, module)}
    for call in calls:
        if (name := module.attribute(call.func)) in unknown:
            yield Match(call.func, f"nothing sets `self.{name}`: AttributeError")


def _is_unknown(name: str, module: ModuleClass) -> bool:
    if name.startswith("_") or name in OF_MODULES or name in module.methods or name in module.registered:
        return False
    found = uses(module, name)
    return not any(is_set(module, use) for use in found) and _words(module.file_text)[name] == len(found)


def _is_open(module: ModuleClass) -> bool:
    """Whether attributes may come from where nobody sees: an heir, a decorator, a name made at run time."""
    index, own = module.index, module.facts.name.rpartition(".")[2]
    bases = {base and base.rpartition(".")[2] for facts in index.facts.classes.values() for base in facts.bases}
    if own in bases or module.node.decorators or module.node.keywords:
        return True
    if any(each.attr.value in _REFLECTION for each in module.nodes(cst.Attribute)):
        return True
    if any(name in _REFLECTION for name in module.methods):
        return True
    return any((module.name_of(call.func) or "") in _REFLECTING for call in module.nodes(cst.Call))


@lru_cache(maxsize=1)
def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text))
