"""`np.exp(x)` in forward."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.inputs import comes_from_input
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule

_CUTS = frozenset({"detach", "item", "tolist", "size", "numel", "dim"})
_FACTS = frozenset({"shape", "ndim", "dtype", "device", "data"})
_CONTEXTS = frozenset({"torch.no_grad", "torch.inference_mode"})


@rule(default=False, severity=Severity.WARNING, trigger=r"\bnp\b|\bnumpy\b")
def numpy_in_forward(module: ModuleClass) -> Iterator[Match]:
    """NumPy takes a tensor off its device and out of the graph: no gradient comes back, or an error is raised.

    Bad:
        import numpy as np
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)

            def forward(self, x):
                return torch.from_numpy(np.exp(self.fc(x)))

    Good:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)

            def forward(self, x):
                return torch.exp(self.fc(x))

    Run time: "Can't call numpy() on Tensor that requires grad".

    Not reported: what is taken out on purpose (`x.detach()`, `x.item()`, under `torch.no_grad()`), and calls on shapes
    or other numbers.
    """
    for method in module.reached_from("forward"):
        for call in module.nodes(cst.Call, within=method):
            if method not in module.init and _takes_out(call, module) and not _is_on_purpose(call, module):
                yield Match(call, f"`{module.code(call.func)}` leaves the device and the graph of gradients")


def _takes_out(call: cst.Call, module: ModuleClass) -> bool:
    match call.func:
        case cst.Attribute(value=owner, attr=cst.Name("numpy")):
            return comes_from_input(module, owner) and not _has_cut(owner, module)
    if not (module.name_of(call.func) or "").startswith("numpy."):
        return False
    return any(comes_from_input(module, arg.value) and not _has_cut(arg.value, module) for arg in call.args)


def _has_cut(node: cst.BaseExpression, module: ModuleClass) -> bool:
    """Whether the expression itself leaves the graph, or holds a number that never was in it."""
    return any(each.attr.value in _CUTS | _FACTS for each in module.nodes(cst.Attribute, within=node))


def _is_on_purpose(call: cst.Call, module: ModuleClass) -> bool:
    for above in module.ancestors(call):
        contexts: list[cst.BaseExpression] = []
        if isinstance(above, cst.With):
            contexts = [item.item for item in above.items]
        elif isinstance(above, cst.FunctionDef):
            contexts = [each.decorator for each in above.decorators]
        for each in contexts:
            if module.name_of(each.func if isinstance(each, cst.Call) else each) in _CONTEXTS:
                return True
    return False
