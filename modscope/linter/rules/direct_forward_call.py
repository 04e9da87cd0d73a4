"""`self.body.forward(x)` instead of `self.body(x)`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.facts import ClassFacts
from modscope.linter.heritage import methods
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.submodules import classes_of, is_submodule


@rule(fix="safe", words=(".forward(",), trigger=r"\.forward\(")
def direct_forward_call(module: ModuleClass) -> Iterator[Match]:
    """Calling `forward` directly skips the module's hooks.

    `module(x)` runs `forward` and around it every hook: those of `torch.compile`, FSDP, pruning, weight norm and
    profilers. `module.forward(x)` runs none of them, and nothing says so.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Linear(4, 4)

            def forward(self, x):
                return self.body.forward(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Linear(4, 4)

            def forward(self, x):
                return self.body(x)

    Run time: a hook registered on `net.body` is not called.

    Not reported: `super().forward(x)`, `Base.forward(self, x)`, `forward` of what is not certainly a module, and of
    modules whose class defines `__call__`.

    Fix: safe. Without hooks both do the same; with hooks the second is what was meant.
    """
    for call in module.nodes(cst.Call):
        match call.func:
            case cst.Attribute(value=submodule, attr=cst.Name("forward")):
                by_name = module.attribute(submodule) in module.registered
                if (by_name or is_submodule(module, submodule)) and not _has_own_call(submodule, module):
                    written = module.code(submodule)
                    yield Match(
                        call,
                        f"`{written}.forward(...)` skips the hooks of `{written}`",
                        replacement=call.with_changes(func=submodule),
                    )


def _has_own_call(submodule: cst.BaseExpression, module: ModuleClass) -> bool:
    """Whether the submodule's class may define `__call__`, so that calling it does something else."""
    index = module.index
    for name in classes_of(module, submodule):
        if name is None:
            return True
        found = index.find(name)
        if found.file is not None and isinstance(found.what, ClassFacts):
            inherited = index.project.heritage.of(methods, found.file, found.what)
            if "__call__" in found.what.methods or "__call__" in inherited:
                return True
    return False
