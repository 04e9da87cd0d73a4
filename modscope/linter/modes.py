"""Whether code asks which mode its Module is in: training or evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from modscope.linter import cst
from modscope.linter.module import ModuleClass


def asks_for_mode(module: ModuleClass, call: cst.Call) -> bool:
    """Whether the method around a call looks at `self.training`, or at a mode that it is given.

    What is only handed to other calls, as in `F.dropout(x, training=self.training)`, says nothing of this one.
    """
    method = module.method_of(call)
    modes = module.once(_modes)
    if method in modes.methods or call in modes.calls:
        return True
    return any(each in modes.calls_around for each in module.ancestors(call))


@dataclass(frozen=True)
class _Modes:
    methods: frozenset[cst.FunctionDef]  # look at the mode in a statement of their own
    calls: frozenset[cst.Call]  # have it in an argument, or in an argument of an argument
    calls_around: frozenset[cst.CSTNode]  # have it in an argument of their own


def _modes(module: ModuleClass) -> _Modes:
    mentions: list[cst.CSTNode] = [each for each in module.nodes(cst.Name) if "train" in each.value]
    mentions += [each for each in module.nodes(cst.Attribute) if each.attr.value == "training"]
    methods, calls, around = set(), set(), set()
    for mention in mentions:
        above = _calls_around(module, mention)
        calls.update(above)
        around.update(above[:1])
        method = module.method_of(mention)
        if not above and method is not None:
            methods.add(method)
    return _Modes(frozenset(methods), frozenset(calls), frozenset(around))


def _calls_around(module: ModuleClass, node: cst.CSTNode) -> list[cst.Call]:
    """The calls that take the node in an argument, in the same statement; the innermost first."""
    calls = []
    for above in module.ancestors(node):
        if isinstance(above, cst.Call):
            calls.append(above)
        elif isinstance(above, cst.BaseSmallStatement | cst.BaseCompoundStatement):
            break
    return calls
