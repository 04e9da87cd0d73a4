"""`p.require_grad = False`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.calls import is_literal
from modscope.linter.rule import Match, rule
from modscope.linter.statement import Statement

_SPELLINGS = """
    require_grad require_grads requires_grads required_grad required_grads requires_gard require_gard
    requries_grad reqiures_grad requres_grad requiers_grad requires_gradient
"""
_TYPOS = frozenset(_SPELLINGS.split())
_METHOD = "requires_grad_"


@rule(fix="safe", words=(".req",), trigger=r"\.(?!requires_grad\b)req\w{2,8}_g\w{2,8}\s*=(?!=)")
def requires_grad_typo(statement: Statement) -> Iterator[Match]:
    """A misspelt `requires_grad` makes a new attribute: the parameter is trained, or frozen, as before.

    Python lets any attribute be set, so nothing fails. `requires_grad_` with an underscore is a method: assigning to
    it hides the method and changes nothing else.

    Bad:
        def freeze(model):
            for parameter in model.parameters():
                parameter.require_grad = False

    Good:
        def freeze(model):
            for parameter in model.parameters():
                parameter.requires_grad = False

    Run time: after `freeze(model)` every parameter still has `requires_grad` True.

    Not reported: settings of one's own (`self.require_grad = require_grad`, `config.require_grad = False`).

    Fix: safe. It writes `requires_grad`.
    """
    for assign in statement.nodes(cst.Assign):
        literal = is_literal(assign.value, "True", "False")
        for each in assign.targets:
            match each.target:
                case cst.Attribute(value=owner, attr=cst.Name(name) as attr) if (name == _METHOD and literal) or (
                    name in _TYPOS and (_is_parameter(owner) or (literal and not _is_own(owner)))
                ):
                    harm = "hides the method" if name == _METHOD else "is no attribute of tensors"
                    yield Match(attr, f"`{name}` {harm}: `requires_grad` stays as it is", replacement="requires_grad")


def _is_parameter(owner: cst.BaseExpression) -> bool:
    """Whether it is called what parameters are called."""
    name = owner.attr if isinstance(owner, cst.Attribute) else owner
    return isinstance(name, cst.Name) and name.value in ("p", "par", "param", "parameter", "weight", "bias")


def _is_own(owner: cst.BaseExpression) -> bool:
    return isinstance(owner, cst.Name) and owner.value in ("self", "cls", "args", "cfg", "config", "opt", "hparams")
