"""`torch.load(path)` without `weights_only=`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.calls import argument, spreads
from modscope.linter.rule import Match, Replace, rule
from modscope.linter.statement import Statement

_SAFE_SINCE = (2, 6)


@rule(
    fix="unsafe",
    default=False,
    severity=Severity.WARNING,
    words=("load(",),
    trigger=r"load\s*\((?![^()]*\bweights_only\b)",
)
def torch_load_weights_only(statement: Statement) -> Iterator[Match]:
    """Before torch 2.6, `torch.load` without `weights_only=True` runs whatever code the file holds.

    A checkpoint is a pickle, and reading a pickle can call any function. With `weights_only=True` only tensors and
    plain containers are read. Since 2.6 that is the default: the same line reads differently in old and new versions.

    Bad:
        def load(path):
            return torch.load(path)

    Good:
        def load(path):
            return torch.load(path, weights_only=True)

    Run time: a checkpoint with a crafted object runs its code while it is read.

    Not reported: when `target-torch` is 2.6 or later, calls that pass `pickle_module`, `*args` or `**kwargs`. Off by
    default: most code runs on 2.6 or later by now.

    Fix: unsafe. It adds `weights_only=True`, which refuses checkpoints that hold other objects.
    """
    if (statement.target_torch or (0, 0)) >= _SAFE_SINCE:
        return
    for call in statement.nodes(cst.Call):
        if statement.name_of(call.func) not in ("torch.load", "torch.serialization.load") or spreads(call):
            continue
        if argument(call, "weights_only") is None and argument(call, "pickle_module", 2) is None and call.args:
            last = call.args[-1].value
            yield Match(
                call,
                "`torch.load` without `weights_only=` runs code from the file before torch 2.6",
                changes=(Replace(last, (last, ", weights_only=True")),),
            )
