"""`self.layers = [nn.Linear(..), ..]` instead of an `nn.ModuleList`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter.containers import Held, containers
from modscope.linter.kept import may_keep_modules
from modscope.linter.module import ModuleClass
from modscope.linter.registering import remedy
from modscope.linter.rule import Match, rule


@rule(fix="unsafe", trigger=may_keep_modules)
def unregistered_module_list(module: ModuleClass) -> Iterator[Match]:
    """Modules in a plain list are not trained, moved, saved or switched.

    `nn.Module` registers what is assigned to its attributes, but does not look into lists. Modules kept in one are
    missing from `parameters()`, so the optimizer never updates them; from `state_dict()`, so they are not saved; and
    from `.to()`, `.train()` and `.eval()`. The forward runs and nothing says so.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = [nn.Linear(4, 4) for _ in range(3)]

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return x

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return x

    It does not apply where the modules are registered by another way: each as an attribute, by `add_module`, or
    because the list is handed to an `nn.Sequential`.

    Fix: unsafe. The modules' weights appear in `parameters()` and in `state_dict()`, so older checkpoints lack them.
    """
    for container in module.once(containers):
        element = container.first(Held.WEIGHTED)
        if container.shape not in ("list", "set", "deque") or element is None:
            continue
        fix = remedy(container, Held.WEIGHTED, module)
        yield Match(
            container.node,
            f"`self.{container.attribute}` keeps `{element.name}` in a plain {container.shape}: missing from "
            "parameters(), state_dict(), .to() and .train(); nn.ModuleList registers it",
            changes=fix.changes,
            imports=fix.imports,
            no_fix=fix.no_fix,
        )
