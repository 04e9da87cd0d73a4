"""`nn.Sequential([nn.Linear(4, 4), nn.ReLU()])`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.rule import Match, Replace, rule
from modscope.linter.statement import Statement


@rule(fix="safe", words=("Sequential(",), trigger=r"Sequential\(\s*\[")
def sequential_of_list(statement: Statement) -> Iterator[Match]:
    """`nn.Sequential` takes modules one by one: given a list, it raises TypeError.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Sequential([nn.Linear(4, 4), nn.ReLU()])

            def forward(self, x):
                return self.body(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Sequential(*[nn.Linear(4, 4), nn.ReLU()])

            def forward(self, x):
                return self.body(x)

    Run time: "list is not a Module subclass".

    Not reported: what is not written as a list where it is handed over; an OrderedDict, which Sequential takes.

    Fix: safe. It puts a `*` before the list.
    """
    for call in statement.nodes(cst.Call):
        match call.args:
            case [cst.Arg(value=cst.List() | cst.ListComp() as modules, star="", keyword=None), *_]:
                if statement.name_of(call.func) == "torch.nn.Sequential":
                    written = statement.code(call.func)
                    yield Match(
                        modules,
                        f"`{written}` takes modules one by one, not a list: TypeError",
                        changes=(Replace(modules, ("*", modules)),),
                    )
