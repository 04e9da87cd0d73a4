"""`def train(self, data)` in a Module."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.calls import is_literal
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule


@rule(words=("train",), trigger=r"def\s+train\b")
def train_override_signature(module: ModuleClass) -> Iterator[Match]:
    """A `train` that does not take a mode breaks `eval()`, and the `train()` of every module around it.

    `module.eval()` is `module.train(False)`, and a parent switches its children with `child.train(mode)`. A training
    loop under that name either raises there or starts with `False` for its data.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Linear(4, 4)

            def train(self, batches, epochs):
                for _ in range(epochs):
                    for batch in batches:
                        self.body(batch)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Linear(4, 4)

            def fit(self, batches, epochs):
                for _ in range(epochs):
                    for batch in batches:
                        self.body(batch)

    Run time: `Net().eval()` raises TypeError, `nn.Sequential(Net()).eval()` too.

    Not reported: a mode under another name (`def train(self, is_train=True)`), `*args`.
    """
    method = module.methods.get("train")
    if method is None or method.decorators or module.self_name(method) is None:
        return
    params = method.params
    if isinstance(params.star_arg, cst.Param):
        return
    first, *others = [*params.posonly_params, *params.params, None][1:]
    required = [each for each in (*others, *params.kwonly_params) if each is not None and each.default is None]
    if first is not None and not required and _is_mode(first, method, module):
        return
    node = method.name
    if first is None or required:
        yield Match(node, "`eval()` calls `train(False)`, which this signature does not accept: TypeError")
    else:
        yield Match(node, f"`eval()` calls `train(False)`: here that is `{first.name.value}=False`")


def _is_mode(param: cst.Param, method: cst.FunctionDef, module: ModuleClass) -> bool:
    if is_literal(param.default, "True", "False") or "mode" in param.name.value or "train" in param.name.value:
        return True
    if param.annotation is not None and module.code(param.annotation.annotation) == "bool":
        return True
    for call in module.nodes(cst.Call, within=method):
        match call:  # handed on to the base class
            case cst.Call(
                func=cst.Attribute(attr=cst.Name("train")),
                args=[*_, cst.Arg(value=cst.Name(name))],
            ) if name == param.name.value:
                return True
    return False
