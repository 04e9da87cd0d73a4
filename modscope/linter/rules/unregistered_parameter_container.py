"""`self.scales = [nn.Parameter(..), ..]` instead of an `nn.ParameterList`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter.containers import Held, containers
from modscope.linter.kept import may_keep_modules
from modscope.linter.module import ModuleClass
from modscope.linter.registering import registrar, remedy
from modscope.linter.rule import Match, rule


@rule(fix="unsafe", trigger=may_keep_modules)
def unregistered_parameter_container(module: ModuleClass) -> Iterator[Match]:
    """Parameters in a plain list, tuple or dict are not trained, moved or saved.

    `nn.Module` registers a parameter that is assigned to an attribute, but does not look into containers. Parameters
    kept in one are missing from `parameters()`, so the optimizer never updates them, from `state_dict()` and from
    `.to()`.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.scales = [nn.Parameter(torch.ones(4)) for _ in range(2)]

            def forward(self, x):
                for scale in self.scales:
                    x = x * scale
                return x

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.scales = nn.ParameterList([nn.Parameter(torch.ones(4)) for _ in range(2)])

            def forward(self, x):
                for scale in self.scales:
                    x = x * scale
                return x

    It does not apply where each parameter is also registered by itself, as an attribute or by `register_parameter`.

    Fix: unsafe. The parameters appear in `parameters()` and in `state_dict()`, so older checkpoints lack them.
    """
    for container in module.once(containers):
        element = container.first(Held.PARAMETER)
        if element is None:
            continue
        fix = remedy(container, Held.PARAMETER, module)
        right = registrar(container, Held.PARAMETER) or "torch.nn.ParameterList"
        yield Match(
            container.node,
            f"`self.{container.attribute}` keeps `{element.name}` in a plain {container.shape}: missing from "
            f"parameters(), state_dict() and .to(); {right.removeprefix('torch.')} registers it",
            changes=fix.changes,
            imports=fix.imports,
            no_fix=fix.no_fix,
        )
