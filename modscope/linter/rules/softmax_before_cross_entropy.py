"""`F.cross_entropy(F.softmax(x, dim=1), y)`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.calls import argument
from modscope.linter.candidate import Candidate
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.variables import bindings, makers, values

_SOFTMAXES = frozenset({"torch.softmax", "torch.nn.functional.softmax"})


def _names_both(candidate: Candidate) -> bool:
    text = candidate.text.lower()
    return "softmax" in text and ("cross_entropy" in text or "crossentropy" in text)


@rule(severity=Severity.WARNING, words=("oftmax", "OFTMAX"), trigger=_names_both)
def softmax_before_cross_entropy(module: ModuleClass) -> Iterator[Match]:
    """Cross entropy applies softmax itself: what has been through one already is flattened, and learns slowly.

    `cross_entropy` wants logits. Probabilities lie between 0 and 1, so the second softmax never gets near 0 or 1: with
    ten classes the loss cannot fall below 1.46.

    Bad:
        class Net(nn.Module):
            def loss(self, logits, labels):
                return F.cross_entropy(F.softmax(logits, dim=-1), labels)

    Good:
        class Net(nn.Module):
            def loss(self, logits, labels):
                return F.cross_entropy(logits, labels)

    Run time: the loss of a perfect prediction is far from 0.

    Not reported: softmax on the target, which may hold probabilities; values that come from another function;
    `log_softmax`, which a second one leaves as it is.
    """
    for call in module.nodes(cst.Call):
        if not _is_cross_entropy(call.func, module):
            continue
        given = argument(call, "input", 0)
        softmax = _softmax(given, module)
        if given is not None and softmax is not None:
            yield Match(
                given, f"`{module.code(call.func)}` applies softmax itself: hand it the argument of `{softmax}`"
            )


def _is_cross_entropy(func: cst.BaseExpression, module: ModuleClass) -> bool:
    if module.name_of(func) == "torch.nn.functional.cross_entropy":
        return True
    if isinstance(func, cst.Call):
        return module.name_of(func.func) == "torch.nn.CrossEntropyLoss"
    if isinstance(func, cst.Name):
        made = values(module, func)
        return bool(made) and all(
            isinstance(each, cst.Call) and module.name_of(each.func) == "torch.nn.CrossEntropyLoss" for each in made
        )
    return makers(module).get(module.attribute(func) or "") == {"torch.nn.CrossEntropyLoss"}


def _softmax(node: cst.BaseExpression | None, module: ModuleClass) -> str | None:
    """The softmax that an expression is the result of, as written."""
    match node:
        case cst.Call(func=func) if module.name_of(func) in _SOFTMAXES or _is_softmax_module(func, module):
            return module.code(func)
        case cst.Call(func=cst.Attribute(attr=cst.Name("softmax")) as func) if not module.name_of(func):
            return module.code(func)
        case cst.Name():
            bound = bindings(module, node)
            if len(bound) == 1 and isinstance(bound[0].value, cst.Call):
                return _softmax(bound[0].value, module)
    return None


def _is_softmax_module(func: cst.BaseExpression, module: ModuleClass) -> bool:
    if isinstance(func, cst.Call):
        return module.name_of(func.func) == "torch.nn.Softmax"
    return makers(module).get(module.attribute(func) or "") == {"torch.nn.Softmax"}
