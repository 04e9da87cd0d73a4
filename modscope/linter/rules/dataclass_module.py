"""`@dataclass class Net(nn.Module)`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.calls import argument, is_literal, spreads
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule


@rule(words=("dataclass",), trigger=r"@[\w.]*dataclass\b")
def dataclass_module(module: ModuleClass) -> Iterator[Match]:
    """`@dataclass` makes a Module unhashable: `parameters()`, `to()` and every other walk over it fail.

    A dataclass compares by value and therefore has no hash; `nn.Module` keeps the modules it has seen in a set.

    Bad:
        from dataclasses import dataclass

        from torch import nn


        @dataclass
        class Net(nn.Module):
            size: int

            def __post_init__(self):
                super().__init__()
                self.fc = nn.Linear(self.size, self.size)

    Good:
        from dataclasses import dataclass

        from torch import nn


        @dataclass(eq=False)
        class Net(nn.Module):
            size: int

            def __post_init__(self):
                super().__init__()
                self.fc = nn.Linear(self.size, self.size)

    Run time: `list(Net(4).parameters())` raises TypeError, "unhashable type: 'Net'".

    Not reported: `eq=False`, `unsafe_hash=True`, `frozen=True`, and classes with a `__hash__` of their own.
    """
    for each in module.node.decorators:
        call = each.decorator if isinstance(each.decorator, cst.Call) else None
        name = module.name_of(call.func if call else each.decorator)
        if name != "dataclasses.dataclass" or module.has_method("__hash__") or (call and spreads(call)):
            continue
        if call and (
            is_literal(argument(call, "eq"), "False")
            or argument(call, "unsafe_hash") is not None
            or argument(call, "frozen") is not None
        ):
            continue
        yield Match(
            each.decorator, f"`{module.name}` becomes unhashable: `parameters()` raises TypeError; say `eq=False`"
        )
