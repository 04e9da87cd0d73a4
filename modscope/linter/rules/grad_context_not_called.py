"""`with torch.no_grad:`"""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.rule import Match, Replace, rule
from modscope.linter.statement import Statement

_CONTEXTS = ("no_grad", "enable_grad", "inference_mode")
_NAMES = frozenset(f"{module}{name}" for name in _CONTEXTS for module in ("torch.", "torch.autograd.grad_mode."))


@rule(fix="safe", words=_CONTEXTS, trigger=rf"(?:{'|'.join(_CONTEXTS)})\s*[,:)a]")
def grad_context_not_called(statement: Statement) -> Iterator[Match]:
    """`with torch.no_grad:` names the class instead of making a context: it raises TypeError.

    Bad:
        def predict(model, x):
            with torch.no_grad:
                return model(x)

    Good:
        def predict(model, x):
            with torch.no_grad():
                return model(x)

    Run time: "'type' object does not support the context manager protocol", or AttributeError before Python 3.11.

    Not reported: the decorator, which works with and without parentheses.

    Fix: safe. It adds the parentheses.
    """
    for item in statement.nodes(cst.WithItem):
        if statement.name_of(item.item) in _NAMES:
            written = statement.code(item.item)
            yield Match(
                item.item,
                f"`{written}` is a class here, not a context: TypeError",
                changes=(Replace(item.item, f"{written}()"),),
            )
