"""`def train(self, mode=True)` that forgets `return self`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.abstract import is_abstract
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Change, Insert, Match, Replace, rule


@rule(fix="safe", words=("train", "eval"), trigger=r"def\s+(?:train|eval)\b")
def train_override_no_return(module: ModuleClass) -> Iterator[Match]:
    """A `train` or `eval` that does not return `self` turns `model.eval()` into None.

    Both return the module, so that calls can be chained: `model = Net().to(device).eval()`. An override that ends
    without `return` hands out None, and the error comes later, somewhere else.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.norm = nn.BatchNorm1d(4)

            def train(self, mode=True):
                super().train(mode)
                self.norm.eval()

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.norm = nn.BatchNorm1d(4)

            def train(self, mode=True):
                super().train(mode)
                self.norm.eval()
                return self

    Run time: `Net().eval()` and `Net().train()` are None.

    Not reported: methods that return something on some path, abstract ones, and a `train` that is a training loop
    (see train-override-signature).

    Fix: safe. It adds `return self` at the end and to each bare `return`.
    """
    for name, most in (("train", 1), ("eval", 0)):
        method = module.methods.get(name)
        if method is None or method.decorators or method.asynchronous or not _takes(method, most):
            continue
        returns = [each for each in module.nodes(cst.Return, within=method) if module.function_of(each) is method]
        if any(each.value is not None for each in returns) or module.nodes(cst.Yield, within=method):
            continue
        if is_abstract(method):
            continue
        own = module.self_name(method)
        yield Match(
            method.name,
            f"`{name}` does not return `{own}`: `model.{name}()` is None",
            changes=tuple(_changes(method, returns, f"return {own}")),
            no_fix=None if isinstance(method.body, cst.IndentedBlock) else "its body stands on the line of the `def`",
        )


def _takes(method: cst.FunctionDef, most: int) -> bool:
    """Whether it is a switch: nothing besides `self` and, for `train`, a mode."""
    params = method.params
    own = [*params.posonly_params, *params.params][1:]
    if isinstance(params.star_arg, cst.Param) or params.star_kwarg is not None:
        return True
    return len(own) <= most and all(each.default is not None for each in params.kwonly_params)


def _changes(method: cst.FunctionDef, returns: list[cst.Return], code: str) -> Iterator[Change]:
    for each in returns:
        yield Replace(each, code)
    last = method.body.body[-1]
    if not (isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], cst.Return | cst.Raise)):
        yield Insert(last, f"{code}\n", "after")
