"""`self.optimizer = Adam(self.parameters())`, and then another layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modscope.linter import cst
from modscope.linter.attributes import uses
from modscope.linter.calls import argument
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.weights import has_weights


@rule(words=("optim",), trigger=r"\bself\s*\.\s*parameters\(\)")
def optimizer_before_layers(module: ModuleClass) -> Iterator[Match]:
    """An optimizer that is made before a layer does not know the layer: it is never trained.

    `self.parameters()` lists what is there when it is called.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Linear(4, 4)
                self.optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
                self.head = nn.Linear(4, 2)

            def forward(self, x):
                return self.head(self.body(x))

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Linear(4, 4)
                self.head = nn.Linear(4, 2)
                self.optimizer = torch.optim.SGD(self.parameters(), lr=0.1)

            def forward(self, x):
                return self.head(self.body(x))

    Run time: a step leaves the weights of `head` as they are.

    Not reported: layers that `forward` does not use, or that are used in any other way than being called; optimizers
    that are given more parameters later (`add_param_group`).
    """
    if any(each.attr.value == "add_param_group" for each in module.nodes(cst.Attribute)):
        return
    for method in module.init:
        body = method.body.body
        for place, statement in enumerate(body):
            if _makes_optimizer(statement, module):
                for target in _layers_after(body[place + 1 :], module):
                    name = module.attribute(target)
                    yield Match(target, f"the optimizer above was made without the parameters of `self.{name}`")
                break


def _makes_optimizer(statement: cst.CSTNode, module: ModuleClass) -> bool:
    for call in module.nodes(cst.Call, within=statement):
        if (module.name_of(call.func) or "").startswith("torch.optim."):
            match argument(call, "params", 0):
                case cst.Call(func=func, args=[]) if module.attribute(func) == "parameters":
                    return isinstance(statement, cst.SimpleStatementLine)
    return False


def _layers_after(statements: Sequence[cst.CSTNode], module: ModuleClass) -> Iterator[cst.BaseExpression]:
    for statement in statements:
        if isinstance(statement, cst.SimpleStatementLine):
            if _makes_optimizer(statement, module):
                return  # another one, for what has come since
            for target, value in module.assignments(within=statement):
                name = module.attribute(target)
                if name is not None and has_weights(module, value) and _is_part_of_forward(name, target, module):
                    yield target


def _is_part_of_forward(name: str, target: cst.BaseExpression, module: ModuleClass) -> bool:
    """Whether the attribute is called by `forward`, and nothing else is done with it."""
    forward = module.reached_from("forward")
    others = [use for use in uses(module, name) if use is not target]
    calls = [isinstance(call := module.parent(use), cst.Call) and call.func is use for use in others]
    return bool(others) and all(calls) and any(module.method_of(use) in forward for use in others)
