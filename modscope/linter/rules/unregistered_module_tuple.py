"""`self.pair = (nn.Linear(..), nn.Linear(..))` instead of an `nn.ModuleList`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter.containers import Held, containers
from modscope.linter.kept import may_keep_modules
from modscope.linter.module import ModuleClass
from modscope.linter.registering import remedy
from modscope.linter.rule import Match, rule


@rule(fix="unsafe", trigger=may_keep_modules)
def unregistered_module_tuple(module: ModuleClass) -> Iterator[Match]:
    """Modules in a tuple are not trained, moved, saved or switched.

    `nn.Module` registers what is assigned to its attributes, but does not look into tuples. Modules kept in one are
    missing from `parameters()`, `state_dict()`, `.to()`, `.train()` and `.eval()`. The forward runs and nothing says
    so.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.pair = (nn.Linear(4, 4), nn.Linear(4, 1))

            def forward(self, x):
                first, second = self.pair
                return second(first(x))

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.pair = nn.ModuleList((nn.Linear(4, 4), nn.Linear(4, 1)))

            def forward(self, x):
                first, second = self.pair
                return second(first(x))

    It does not apply where the modules are registered by another way. A tuple of one module that came from an argument
    is a known way to keep it out on purpose.

    Fix: unsafe. The modules' weights appear in `parameters()` and in `state_dict()`, so older checkpoints lack them.
    """
    for container in module.once(containers):
        element = container.first(Held.WEIGHTED)
        if container.shape != "tuple" or element is None:
            continue
        fix = remedy(container, Held.WEIGHTED, module)
        yield Match(
            container.node,
            f"`self.{container.attribute}` keeps `{element.name}` in a tuple: missing from parameters(), state_dict(), "
            ".to() and .train(); nn.ModuleList registers it",
            changes=fix.changes,
            imports=fix.imports,
            no_fix=fix.no_fix,
        )
