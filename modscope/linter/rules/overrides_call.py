"""`def __call__` in a Module."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.abstract import is_abstract
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule

_HANDS_ON = frozenset({"__call__", "_call_impl", "_wrapped_call_impl"})


@rule(default=False, severity=Severity.WARNING, trigger=r"\bdef\s+__call__\b")
def overrides_call(module: ModuleClass) -> Iterator[Match]:
    """A Module with a `__call__` of its own runs none of its hooks.

    `nn.Module.__call__` is what runs hooks around `forward`: those of `torch.compile`, FSDP, pruning and profilers.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)

            def __call__(self, x):
                return self.fc(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)

            def forward(self, x):
                return self.fc(x)

    Run time: a hook of `net.register_forward_hook()` is not run.

    Not reported: a `__call__` that hands on to that of its base, or only raises an error.
    """
    call = module.methods.get("__call__")
    if call is None or is_abstract(call):
        return
    if not any(each.attr.value in _HANDS_ON for each in module.nodes(cst.Attribute, within=call)):
        yield Match(call.name, f"`{module.name}.__call__` takes the place of the one that runs the hooks")
