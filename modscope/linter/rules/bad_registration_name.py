"""`self.add_module("layer.1", …)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.module import ModuleClass
from modscope.linter.naming import names_given, registrations
from modscope.linter.rule import Match, rule


def _gives_a_bad_name(candidate: Candidate) -> bool:
    for name in names_given(candidate):
        parts = name.values if isinstance(name, ast.JoinedStr) else [name]
        texts = [part.value for part in parts if isinstance(part, ast.Constant)]
        if any(not isinstance(text, str) or not text or "." in text for text in texts):
            return True
    return False


@rule(words=("add_module", "register_", "ModuleDict"), trigger=_gives_a_bad_name)
def bad_registration_name(module: ModuleClass) -> Iterator[Match]:
    """A name with a dot, an empty one, or one that is no string cannot be registered: KeyError or TypeError.

    Dots separate the parts of a path: `encoder.layer.0.weight`.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                for i in range(2):
                    self.add_module(f"layer.{i}", nn.Linear(4, 4))

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                for i in range(2):
                    self.add_module(f"layer_{i}", nn.Linear(4, 4))

    Run time: `Net()` raises KeyError, "module name can't contain '.'".

    Not reported: names that are not written out.
    """
    for each in module.once(registrations):
        if _is_bad(each.name, each.text):
            yield Match(each.name, f"{module.code(each.name)} cannot be a name: it must be a string without dots")


def _is_bad(name: cst.BaseExpression, text: str | None) -> bool:
    if isinstance(name, cst.FormattedString):
        return any(isinstance(part, cst.FormattedStringText) and "." in part.value for part in name.parts)
    return isinstance(name, cst.BaseNumber) or (text is not None and ("." in text or not text))
