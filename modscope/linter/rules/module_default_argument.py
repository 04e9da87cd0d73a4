"""`def __init__(self, act=nn.PReLU())`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule


@rule(default=False, severity=Severity.WARNING, trigger=r"=\s*(\w+\s*\.\s*)*[A-Z]\w*\(")
def module_default_argument(module: ModuleClass) -> Iterator[Match]:
    """A module made as a default argument is made once: all instances that take the default share it.

    Its weights are trained by all of them, and `to()`, `eval()` or a hook on one of them reaches the others.

    Bad:
        class Block(nn.Module):
            def __init__(self, act=nn.PReLU()):
                super().__init__()
                self.act = act

    Good:
        class Block(nn.Module):
            def __init__(self, act=None):
                super().__init__()
                self.act = nn.PReLU() if act is None else act

    Run time: `Block().act is Block().act`.

    Not reported: defaults of any other kind, as a class (`act=nn.ReLU`). ruff's B008 reports every call in a default.
    """
    for method in module.methods.values():
        for param in module.nodes(cst.Param, within=method.params):
            if param.default is not None and module.makes_module(param.default):
                made = module.code(param.default)
                yield Match(param.default, f"all instances that take the default share one `{made}`")
