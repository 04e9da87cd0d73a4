"""`self.heads = {"a": nn.Linear(..)}` instead of an `nn.ModuleDict`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter.containers import Held, containers
from modscope.linter.kept import may_keep_modules
from modscope.linter.module import ModuleClass
from modscope.linter.registering import remedy
from modscope.linter.rule import Match, rule


@rule(fix="unsafe", trigger=may_keep_modules)
def unregistered_module_dict(module: ModuleClass) -> Iterator[Match]:
    """Modules in a plain dict are not trained, moved, saved or switched.

    `nn.Module` registers what is assigned to its attributes, but does not look into dicts. Modules kept in one are
    missing from `parameters()`, `state_dict()`, `.to()`, `.train()` and `.eval()`. The forward runs and nothing says
    so.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.heads = {"box": nn.Linear(4, 4), "mask": nn.Linear(4, 1)}

            def forward(self, x):
                return {name: head(x) for name, head in self.heads.items()}

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.heads = nn.ModuleDict({"box": nn.Linear(4, 4), "mask": nn.Linear(4, 1)})

            def forward(self, x):
                return {name: head(x) for name, head in self.heads.items()}

    It does not apply where the modules are registered by another way: each as an attribute, by `add_module`, or
    because the dict is handed to an `nn.ModuleDict`.

    Fix: unsafe. The modules' weights appear in `parameters()` and in `state_dict()`, so older checkpoints lack them.
    It is refused where a key is not certainly a string that a child may be called by, and where the class uses what an
    `nn.ModuleDict` lacks, such as `.get`.
    """
    for container in module.once(containers):
        element = container.first(Held.WEIGHTED)
        if container.shape != "dict" or element is None:
            continue
        fix = remedy(container, Held.WEIGHTED, module)
        yield Match(
            container.node,
            f"`self.{container.attribute}` keeps `{element.name}` in a plain dict: missing from parameters(), "
            "state_dict(), .to() and .train(); nn.ModuleDict registers it",
            changes=fix.changes,
            imports=fix.imports,
            no_fix=fix.no_fix,
        )
