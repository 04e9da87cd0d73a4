"""Classes that a metaclass makes: it may do more than the source of the class shows."""

from __future__ import annotations

from modscope.linter.index import FileIndex
from modscope.linter.module import ModuleClass


def made_by_metaclass(module: ModuleClass) -> bool:
    """Whether a metaclass may do what an `__init__` leaves out. That of abstract classes does nothing of the kind."""
    family = [(module.index.facts, module.facts), *module.index.ancestors(module.facts)]
    return any(
        facts.metaclass is not None
        and FileIndex(module.index.project, file).resolve(facts.metaclass, facts.scope) != "abc.ABCMeta"
        for file, facts in family
    )
