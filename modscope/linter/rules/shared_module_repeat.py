"""`[nn.Linear(4, 4)] * 3`: one module three times."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.candidate import Candidate
from modscope.linter.definitions import makes_weights
from modscope.linter.known import Kind
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.variables import values


def _repeats_a_list(candidate: Candidate) -> bool:
    return any(
        isinstance(side, ast.List | ast.Tuple) and len(side.elts) == 1 and isinstance(side.elts[0], ast.Call)
        for product in candidate.nodes(ast.BinOp)
        for side in (product.left, product.right)
    )


@rule(fix="unsafe", trigger=_repeats_a_list)
def shared_module_repeat(module: ModuleClass) -> Iterator[Match]:
    """Repeating a list of one module repeats the module, not its weights: all places share one set.

    `[nn.Linear(4, 4)] * 3` makes one module and three references to it. In an `nn.ModuleList` or `nn.Sequential` it
    looks like three modules, and trains as one.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Sequential(*[nn.Linear(4, 4)] * 3)

            def forward(self, x):
                return self.body(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Sequential(*[nn.Linear(4, 4) for _ in range(3)])

            def forward(self, x):
                return self.body(x)

    Run time: `sum(p.numel() for p in Net().parameters())` is 20 in the first and 60 in the second.

    It does not apply to modules without weights, to a repeat by 0, 1 or a truth value, and to a module that was given a
    name first (`[layer] * 3` says that one is meant). Sharing on purpose is said by `# modscope: ignore`.

    Fix: unsafe. Each place gets weights of its own, so the model has more of them and trains differently.
    """
    for product in module.nodes(cst.BinaryOperation):
        if not isinstance(product.operator, cst.Multiply):
            continue
        for repeated, count in ((product.left, product.right), (product.right, product.left)):
            match repeated:
                case cst.List(elements=[cst.Element(value=made)]) | cst.Tuple(elements=[cst.Element(value=made)]):
                    if _has_weights(made, module) and not _is_switch(count, module):
                        yield _match(product, repeated, made, count, module)


def _has_weights(made: cst.BaseExpression, module: ModuleClass) -> bool:
    """Whether a Module with weights is made, by its class or by what the class is given."""
    if not isinstance(made, cst.Call) or module.kind_of(made) is not Kind.WEIGHTED:
        return False
    given = (call for call in module.nodes(cst.Call, within=made) if call is not made)
    name = module.name_of(made.func)
    return (name is not None and makes_weights(module, name)) or any(_has_weights(call, module) for call in given)


def _match(
    product: cst.BinaryOperation,
    repeated: cst.BaseExpression,
    made: cst.BaseExpression,
    count: cst.BaseExpression,
    module: ModuleClass,
) -> Match:
    assert isinstance(made, cst.Call)
    times = module.code(count)
    written = ("[", made, " for _ in range(", count, ")]")
    return Match(
        product,
        f"`{module.code(made.func)}` is made once and shared {times} times: all places have the same weights",
        replacement=written if isinstance(repeated, cst.List) else ("tuple(", *written, ")"),
    )


def _is_switch(count: cst.BaseExpression, module: ModuleClass) -> bool:
    """Whether the number of repeats is 0, 1 or a truth value, so that nothing is repeated."""
    match count:
        case cst.Integer(value=text):
            return int(text, 0) < 2
        case cst.Comparison() | cst.BooleanOperation() | cst.UnaryOperation(operator=cst.Not()):
            return True
        case cst.Call(func=cst.Name(value="bool")):
            return True
        case cst.Call(func=cst.Name(value="int"), args=[cst.Arg(value=inner)]):
            return _is_switch(inner, module)
        case cst.Name(value="True" | "False"):
            return True
        case cst.Name():
            parameter = _parameter(count, module)
            assigned = [each for each in values(module, count) if each is not None]
            return parameter or any(_is_switch(each, module) for each in assigned if not isinstance(each, cst.Name))
    return False


def _parameter(name: cst.Name, module: ModuleClass) -> bool:
    """Whether the name is a parameter that its annotation or default shows to be a truth value."""
    method = module.method_of(name)
    if method is None:
        return False
    for parameter in (*method.params.params, *method.params.kwonly_params):
        if parameter.name.value == name.value:
            annotation = parameter.annotation and parameter.annotation.annotation
            shown = (annotation, parameter.default)
            return any(isinstance(each, cst.Name) and each.value in ("bool", "True", "False") for each in shown)
    return False
