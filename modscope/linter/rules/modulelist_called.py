"""`self.layers(x)` on a ModuleList."""

from __future__ import annotations

import re
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.variables import makers

_NOT_CALLABLE = frozenset(f"torch.nn.{name}" for name in ("ModuleList", "ModuleDict", "ParameterList", "ParameterDict"))


_SET = re.compile(r"\.(\w+)\s*(?::[^=\n]*)?=\s*[\w.]*(?:Module|Parameter)(?:List|Dict)\b")
_CALLED = re.compile(r"\.(\w+)\(")


def _sets_and_calls(candidate: Candidate) -> bool:
    made = set(_SET.findall(candidate.text))
    return bool(made) and not made.isdisjoint(_CALLED.findall(candidate.text))


@rule(words=("ModuleList", "ModuleDict", "ParameterList", "ParameterDict"), trigger=_sets_and_calls)
def modulelist_called(module: ModuleClass) -> Iterator[Match]:
    """A ModuleList or ModuleDict has no forward: calling it raises NotImplementedError.

    It only holds modules. To run them one after the other, walk over them or keep them in `nn.Sequential`.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList([nn.Linear(4, 4), nn.ReLU()])

            def forward(self, x):
                return self.layers(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList([nn.Linear(4, 4), nn.ReLU()])

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return x

    Run time: `Module [ModuleList] is missing the required "forward" function`.

    Not reported: attributes that are also set to something else, or that a base class sets.
    """
    for call in module.nodes(cst.Call):
        name = module.attribute(call.func)
        made_by = makers(module).get(name or "", {None})
        if made_by <= _NOT_CALLABLE:
            kinds = " or ".join(sorted(str(each).rpartition(".")[2] for each in made_by))
            yield Match(call, f"`{module.code(call.func)}` is a {kinds}, which has no forward: NotImplementedError")
