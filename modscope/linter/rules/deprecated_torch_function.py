"""`torch.nn.init.xavier_uniform(w)`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.outdated import DEPRECATED, is_outdated, trigger, words
from modscope.linter.rule import Match, Replace, rule
from modscope.linter.statement import Statement


@rule(fix="safe", default=False, severity=Severity.WARNING, words=words(DEPRECATED), trigger=trigger(DEPRECATED))
def deprecated_torch_function(statement: Statement) -> Iterator[Match]:
    """A deprecated function of torch warns today and fails after a later update.

    Bad:
        def initialize(weight):
            return nn.init.xavier_uniform(weight)

    Good:
        def initialize(weight):
            return nn.init.xavier_uniform_(weight)

    Run time: FutureWarning, "`nn.init.xavier_uniform` is now deprecated in favor of `nn.init.xavier_uniform_`".

    Not reported: functions whose replacement is newer than `target-torch`, and files that ask for torch's version. Off
    by default: these calls still work.

    Fix: safe. It calls the new function where arguments and results are the same; the other calls have to be rewritten
    by hand.
    """
    for call in statement.nodes(cst.Call):
        outdated = DEPRECATED.get(statement.name_of(call.func) or "")
        if outdated is None or not is_outdated(outdated, statement):
            continue
        spelling = statement.spell(outdated.instead) if outdated.same else None
        yield Match(
            call.func,
            f"`{statement.code(call.func)}` is deprecated; `{outdated.instead}` replaces it",
            changes=(Replace(call.func, spelling),) if spelling else (),
            no_fix=None if spelling else "its arguments or results differ, or nothing imports its name",
        )
