"""`F.softmax(x)`: over which axis?"""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.calls import argument, is_literal, spreads
from modscope.linter.rule import Match, rule
from modscope.linter.statement import Statement

_POSITION_OF_DIM = {
    "torch.nn.Softmax": 0,
    "torch.nn.LogSoftmax": 0,
    "torch.nn.Softmin": 0,
    "torch.nn.functional.softmax": 1,
    "torch.nn.functional.log_softmax": 1,
    "torch.nn.functional.softmin": 1,
}


@rule(words=("oftmax", "oftmin"), trigger=r"oftm(?:ax|in)\s*\((?![^()]*\bdim\s*=\s*-?\d)")
def softmax_without_dim(statement: Statement) -> Iterator[Match]:
    """Without `dim`, softmax picks an axis by the number of dimensions, and often the wrong one.

    For tensors of 0, 1 and 3 dimensions it is axis 0, for all others axis 1. A model that gains a batch or a time axis
    then normalises over something else: over the samples of a batch instead of the classes. torch has called this
    deprecated for years and only warns.

    Bad:
        class Attention(nn.Module):
            def forward(self, scores):  # batch, query, key
                return F.softmax(scores)

    Good:
        class Attention(nn.Module):
            def forward(self, scores):  # batch, query, key
                return F.softmax(scores, dim=-1)

    Run time: the weights of one query do not sum to 1; those of one place over the batch do.

    Not reported: calls that pass `*args` or `**kwargs`, and softmax functions of other libraries.
    """
    for call in statement.nodes(cst.Call):
        name = statement.name_of(call.func)
        if name not in _POSITION_OF_DIM or spreads(call):
            continue
        dim = argument(call, "dim", _POSITION_OF_DIM[name])
        if dim is None or is_literal(dim, "None"):
            written = statement.code(call.func)
            yield Match(call, f"`{written}` without `dim` normalises over axis 0 or 1, whichever the rank implies")
