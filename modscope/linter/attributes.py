"""Where a class sets and reads the attributes of its instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modscope.linter import cst
from modscope.linter.module import ModuleClass


def uses(module: ModuleClass, name: str) -> Sequence[cst.Attribute]:
    """Every `self.<name>` of the class, in source order."""
    return module.once(_uses).get(name, ())


def is_set(module: ModuleClass, use: cst.Attribute) -> bool:
    """Whether the attribute, or a part of what it holds, is assigned, filled or deleted there."""
    for above in module.ancestors(use):
        match above:
            case cst.AssignTarget() | cst.Del():
                return True
            case cst.AnnAssign(target=target) | cst.AugAssign(target=target):
                return module.within(use, target)
            case cst.BaseSmallStatement() | cst.BaseCompoundStatement():
                return False
    return False


def _uses(module: ModuleClass) -> Mapping[str, list[cst.Attribute]]:
    found: dict[str, list[cst.Attribute]] = {}
    for node in module.nodes(cst.Attribute):
        name = module.attribute(node)
        if name is not None:
            found.setdefault(name, []).append(node)
    return found
