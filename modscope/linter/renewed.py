"""Variables that a function uses for one thing after another: `layers = []` … `layers = []`."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence

from modscope.linter import cst
from modscope.linter.contained import Place
from modscope.linter.module import ModuleClass


def renewals(module: ModuleClass, bound: Sequence[Place]) -> Mapping[Place, list[cst.Assign]]:
    """Each such variable, with the statements that assign it; `bound` has a place for each binding.

    Only what the body of the function itself assigns, in no branch or loop, and no function within it uses.
    """
    inner = [each for each in module.nodes(cst.FunctionDef) if module.function_of(each) is not None]
    shared = {
        name.value for each in (*inner, *module.nodes(cst.Lambda)) for name in module.nodes(cst.Name, within=each)
    }
    times = Counter(bound)
    found: dict[Place, list[cst.Assign]] = {}
    for function in module.nodes(cst.FunctionDef):
        for line in function.body.body:
            for part in line.body if isinstance(line, cst.SimpleStatementLine) else ():
                match part:
                    case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))]):
                        found.setdefault((function, name), []).append(part)
    return {
        place: assigns
        for place, assigns in found.items()
        if 1 < len(assigns) == times[place] and place[1] not in shared
    }


def turn(module: ModuleClass, name: cst.Name, assigns: Sequence[cst.Assign]) -> int:
    """Which of the assignments a use comes after, counted from 1; 0: it comes before all."""
    before = bisect_left(assigns, module.place(name), key=module.place)
    return before - 1 if before and module.within(name, assigns[before - 1].value) else before
