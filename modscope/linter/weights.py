"""Which expressions certainly make a Module that has weights of its own, or below it."""

from __future__ import annotations

from modscope.linter import cst
from modscope.linter.calls import argument, is_literal
from modscope.linter.facts import ClassFacts
from modscope.linter.index import FileIndex
from modscope.linter.known import TORCH_NN, Kind
from modscope.linter.module import ModuleClass

_DEEPEST = 4  # a module in a module in a module: farther down nobody looks
_AFFINE_ON_REQUEST = frozenset(f"torch.nn.InstanceNorm{n}d" for n in (1, 2, 3))
_NO_WEIGHTS = frozenset({"torch.nn.Module", "torch.nn.DataParallel", *_AFFINE_ON_REQUEST})


def has_weights(module: ModuleClass, node: cst.CSTNode | None) -> bool:
    """Whether the expression is a call that makes a Module with weights, proved by what can be read of it."""
    if not isinstance(node, cst.Call):
        return False
    if TORCH_NN.get(module.name_of(node.func) or "") is Kind.CONTAINER:
        return any(_makes_weights(module, call) for call in module.nodes(cst.Call, within=node))
    return _makes_weights(module, node)


def _makes_weights(module: ModuleClass, call: cst.Call) -> bool:
    """Whether the call itself makes them, not one in its arguments."""
    name = module.name_of(call.func)
    if name is None or is_literal(argument(call, "affine"), "False"):
        return False
    return not is_literal(argument(call, "elementwise_affine"), "False") and _class_has_weights(module.index, name)


def _class_has_weights(index: FileIndex, name: str, depth: int = 0) -> bool:
    found = index.find(name)
    if found.file is None:
        return TORCH_NN.get(found.name) is Kind.WEIGHTED and found.name not in _NO_WEIGHTS
    if not isinstance(found.what, ClassFacts) or depth > _DEEPEST or index.project.kind(found) is None:
        return False
    known, key = index.project.with_weights, (found.file.path, found.what.name)
    if key not in known:
        known[key] = False  # while it is being looked into: a class may hold itself
        family = [(found.file, found.what), *index.project.ancestors(found.file, found.what)]
        known[key] = any(_sets_weights(FileIndex(index.project, file), facts, depth) for file, facts in family)
    return known[key]


def _sets_weights(index: FileIndex, facts: ClassFacts, depth: int) -> bool:
    if any(base and _is_weighted_base(index, base, facts) for base in facts.bases):
        return True
    for _, called in facts.assigned:
        full = called and index.resolve(called, facts.scope, from_method=True)
        if full and (index.kind(full) is Kind.PARAMETER or _class_has_weights(index, full, depth + 1)):
            return True
    return False


def _is_weighted_base(index: FileIndex, base: str, facts: ClassFacts) -> bool:
    """Whether it inherits from a class of torch.nn that has weights: `class Mine(nn.Linear)`."""
    full = index.resolve(base, facts.scope)
    return full is not None and TORCH_NN.get(full) is Kind.WEIGHTED and full not in _NO_WEIGHTS
