"""A class with layers and a forward that is no Module."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.facts import ClassFacts
from modscope.linter.known import TORCH_NN, Kind
from modscope.linter.rule import Match, rule
from modscope.linter.statement import Statement

# A class without bases, in whose next lines (so many that time stays linear) nothing says `super()`: that is a mixin.
_ALONE = r"class\s+\w+\s*(\(\s*(object)?\s*\))?\s*:(?!(.*\n(?=[ \t\r\n])){0,100}.*\bsuper\()"


@rule(words=("def forward(",), trigger=_ALONE)
def module_in_plain_object(statement: Statement) -> Iterator[Match]:
    """A class with layers and `forward` that is no `nn.Module` cannot be called, moved, saved or trained as one.

    Bad:
        class Net:
            def __init__(self):
                self.fc = nn.Linear(4, 4)

            def forward(self, x):
                return self.fc(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)

            def forward(self, x):
                return self.fc(x)

    Run time: `Net()` has no `parameters()`, and `Net()(x)` raises TypeError.

    Not reported: classes with any other public method, or `__call__`, which serve in another way (an agent, a trainer);
    that are decorated, have bases, call `super()` or are a base of another class of the file; layers that come from
    anywhere but `torch.nn`.
    """
    node = statement.node
    if not isinstance(node, cst.ClassDef) or node.decorators or node.keywords:
        return
    inside = f"{statement.inside}." if statement.inside else ""
    facts = statement.index.facts.classes.get(f"{inside}{node.name.value}")
    if facts is None or not {"__init__", "forward"} <= facts.methods or _serves_otherwise(facts.methods):
        return
    layer = _layer(facts, statement)
    if layer is not None and not _is_base(facts, statement):
        yield Match(node.name, f"`{node.name.value}` has layers (`{layer}`) and `forward`, and is no `nn.Module`")


def _serves_otherwise(methods: frozenset[str]) -> bool:
    """Whether it is used by other methods than `forward`."""
    return "__call__" in methods or any(not name.startswith("_") and name != "forward" for name in methods)


def _layer(facts: ClassFacts, statement: Statement) -> str | None:
    """The first attribute that holds a layer of torch.nn with weights."""
    index = statement.index
    for name, called in facts.assigned:
        full = called and index.resolve(called, facts.scope, from_method=True)
        if full and TORCH_NN.get(index.find(full).name) is Kind.WEIGHTED:
            return name
    return None


def _is_base(facts: ClassFacts, statement: Statement) -> bool:
    own = facts.name.rpartition(".")[2]
    classes = statement.index.facts.classes.values()
    return any(base and base.rpartition(".")[2] == own for each in classes for base in each.bases)
