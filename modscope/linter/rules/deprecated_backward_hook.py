"""`module.register_backward_hook(hook)`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.rule import Match, Replace, rule
from modscope.linter.statement import Statement


@rule(fix="unsafe", severity=Severity.WARNING, words=("register_backward_hook",), trigger=r"\.register_backward_hook\(")
def deprecated_backward_hook(statement: Statement) -> Iterator[Match]:
    """`register_backward_hook` gives the hook the gradients of the module's last operation, not those of the module.

    For a module whose forward has several operations `grad_input` is that of the last one only. torch calls the method
    deprecated in favour of `register_full_backward_hook`.

    Bad:
        def watch(model, hook):
            return model.register_backward_hook(hook)

    Good:
        def watch(model, hook):
            return model.register_full_backward_hook(hook)

    Run time: the hook of `nn.Linear(4, 2)` gets three inputs' gradients, or one of another shape, where its input has
    one.

    Not reported: `super().register_backward_hook(…)` in a class that has a method of this name itself.

    Fix: unsafe. It renames the method; the hook then gets other gradients, and modules that change their inputs in
    place raise an error.
    """
    for call in statement.nodes(cst.Call):
        match call.func:
            case cst.Attribute(value=owner, attr=cst.Name("register_backward_hook") as name):
                if not isinstance(owner, cst.Call):
                    yield Match(
                        name,
                        "the hook gets the gradients of the last operation, not of the module",
                        changes=(Replace(name, "register_full_backward_hook"),),
                    )
