"""`self.activations = [nn.ReLU(), ..]` instead of an `nn.ModuleList`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter.containers import Held, containers
from modscope.linter.kept import may_keep_modules
from modscope.linter.module import ModuleClass
from modscope.linter.registering import registrar, remedy
from modscope.linter.rule import Match, rule


@rule(fix="unsafe", default=False, trigger=may_keep_modules)
def unregistered_stateless_module(module: ModuleClass) -> Iterator[Match]:
    """Modules without weights in a plain container are unseen by hooks, repr(), train() and eval().

    Nothing is left untrained, but a `Dropout` kept this way stays on in evaluation, and tools that walk over
    `modules()` miss all of them.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.drops = [nn.Dropout(0.1), nn.Dropout(0.5)]

            def forward(self, x):
                for drop in self.drops:
                    x = drop(x)
                return x

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.drops = nn.ModuleList([nn.Dropout(0.1), nn.Dropout(0.5)])

            def forward(self, x):
                for drop in self.drops:
                    x = drop(x)
                return x

    It does not apply to containers that also keep modules with weights: those are reported as what they are.

    Fix: unsafe. `train()`, `eval()` and hooks reach the modules from then on.
    """
    for container in module.once(containers):
        element = container.first(Held.STATELESS)
        if element is None or container.first(Held.WEIGHTED):
            continue
        fix = remedy(container, Held.STATELESS, module)
        right = registrar(container, Held.STATELESS) or "torch.nn.ModuleList"
        yield Match(
            container.node,
            f"`self.{container.attribute}` keeps `{element.name}` in a plain {container.shape}: unseen by hooks, "
            f"repr(), train() and eval(); {right.removeprefix('torch.')} registers it",
            changes=fix.changes,
            imports=fix.imports,
            no_fix=fix.no_fix,
        )
