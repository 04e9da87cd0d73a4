"""`checkpoint(block, x)` without `use_reentrant=`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.calls import argument
from modscope.linter.rule import Match, Replace, rule
from modscope.linter.statement import Statement

_NAMES = frozenset({"torch.utils.checkpoint.checkpoint", "torch.utils.checkpoint.checkpoint_sequential"})


@rule(
    fix="unsafe",
    severity=Severity.WARNING,
    words=("checkpoint(", "checkpoint_sequential("),
    trigger=r"checkpoint(?:_sequential)?\((?![^()]*\buse_reentrant\b)",
)
def checkpoint_use_reentrant(statement: Statement) -> Iterator[Match]:
    """Without `use_reentrant=`, checkpointing warns at every call and loses gradients in silence.

    The old default, `use_reentrant=True`, computes no gradients when none of the inputs requires one, as in the first
    block of a model or under a frozen embedding. torch announces an error for calls that do not choose.

    Bad:
        from torch.utils.checkpoint import checkpoint

        def run(block, x):
            return checkpoint(block, x)

    Good:
        from torch.utils.checkpoint import checkpoint

        def run(block, x):
            return checkpoint(block, x, use_reentrant=False)

    Run time: with an input that requires no gradient the output requires none: the block is never trained.

    Not reported: calls that pass `*args` or `**kwargs`, and `checkpoint` functions of other modules.

    Fix: unsafe. It adds `use_reentrant=False`, which torch recommends; memory and the order of side effects may differ.
    """
    for call in statement.nodes(cst.Call):
        if statement.name_of(call.func) not in _NAMES or any(arg.star == "**" for arg in call.args) or not call.args:
            continue
        if argument(call, "use_reentrant") is None:
            last = call.args[-1]
            yield Match(
                call,
                f"`{statement.code(call.func)}` without `use_reentrant=` may lose gradients, and warns",
                changes=(Replace(last.value, (last.value, ", use_reentrant=False")),),
            )
