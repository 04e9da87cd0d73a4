"""`torch.symeig(a)`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.outdated import REMOVED, is_outdated, trigger, words
from modscope.linter.rule import Match, rule
from modscope.linter.statement import Statement


@rule(words=words(REMOVED), trigger=trigger(REMOVED))
def removed_torch_function(statement: Statement) -> Iterator[Match]:
    """A function that torch has removed raises an error when it is called.

    Most of them moved to `torch.linalg` and `torch.fft`, with other arguments or results: the message names the new
    one, and torch's documentation shows how to rewrite the call.

    Bad:
        def eigenvalues(a):
            return torch.symeig(a)[0]

    Good:
        def eigenvalues(a):
            return torch.linalg.eigh(a)[0]

    Run time: RuntimeError, "This function was deprecated … and is now removed", or AttributeError.

    Not reported: methods (`a.symeig()`), whose object may be no tensor, files that ask for torch's version, and code
    under a `target-torch` that is older than the function that takes its place.
    """
    for call in statement.nodes(cst.Call):
        outdated = REMOVED.get(statement.name_of(call.func) or "")
        if outdated is not None and is_outdated(outdated, statement):
            yield Match(
                call.func, f"`{statement.code(call.func)}` is gone from torch; `{outdated.instead}` replaces it"
            )
