"""`nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.calls import argument, is_literal, spreads
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule

_DIMENSIONS = ("1d", "2d", "3d")
_NORMS = frozenset(f"torch.nn.{name}{n}" for name in ("BatchNorm", "InstanceNorm") for n in _DIMENSIONS)
_CONVOLUTIONS = {f"torch.nn.Conv{n}": 7 for n in _DIMENSIONS} | {f"torch.nn.ConvTranspose{n}": 7 for n in _DIMENSIONS}
_BIASED = {"torch.nn.Linear": 2} | _CONVOLUTIONS  # the position of `bias`


@rule(default=False, severity=Severity.ADVICE, trigger=r"\b(Batch|Instance)Norm\dd\b")
def bias_before_norm(module: ModuleClass) -> Iterator[Match]:
    """A bias right before a batch norm changes nothing: the norm takes the mean away, and the bias with it.

    It costs memory and time, and its gradients are zero.

    Bad:
        class Net(nn.Sequential):
            def __init__(self):
                super().__init__(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
                self.body = nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8))

    Good:
        class Net(nn.Sequential):
            def __init__(self):
                super().__init__(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8))
                self.body = nn.Sequential(nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8))

    Run time: in training mode the output is the same for every bias.

    Not reported: layers that do not follow each other in one `nn.Sequential`, or in the arguments of `__init__` of a
    class that is one; norms with `track_running_stats=` given; `bias=` given as anything but True.
    """
    for sequence in module.nodes(cst.Call):
        if _is_sequence(sequence, module):
            for one, other in pairwise(arg.value for arg in sequence.args if arg.keyword is None):
                if _has_bias(one, module) and _takes_the_mean(other, module):
                    yield Match(one, "the norm that follows takes the bias away: `bias=False` does the same for less")


def _is_sequence(call: cst.Call, module: ModuleClass) -> bool:
    if module.name_of(call.func) == "torch.nn.Sequential":
        return True
    match call.func:
        case cst.Attribute(value=cst.Call(func=cst.Name("super")), attr=cst.Name("__init__")):
            return module.bases == ("torch.nn.Sequential",)
    return False


def _has_bias(node: cst.BaseExpression, module: ModuleClass) -> bool:
    position = _BIASED.get(module.name_of(node.func) or "") if isinstance(node, cst.Call) else None
    if position is None or not isinstance(node, cst.Call) or spreads(node):
        return False
    given = argument(node, "bias", position)
    return given is None or is_literal(given, "True")


def _takes_the_mean(node: cst.BaseExpression, module: ModuleClass) -> bool:
    if not isinstance(node, cst.Call) or spreads(node) or module.name_of(node.func) not in _NORMS:
        return False
    return argument(node, "track_running_stats", 4) is None
