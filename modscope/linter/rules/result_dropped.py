"""`x.masked_fill(mask, 0)` as a statement."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.calls import argument, is_literal
from modscope.linter.candidate import Candidate
from modscope.linter.facts import dotted
from modscope.linter.inputs import is_input
from modscope.linter.known import Kind
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, Replace, rule
from modscope.linter.tensors import is_function, is_tensor

# Methods of tensors whose names nothing else is likely to have.
_OF_TENSORS = frozenset(
    [
        *("masked_fill", "masked_scatter", "index_fill", "index_add", "index_copy", "scatter_add", "scatter_reduce"),
        *("unsqueeze", "clamp_min", "clamp_max", "type_as", "view_as", "expand_as", "log_softmax", "masked_select"),
    ]
)
# Methods that other classes have too: reported where the object is certainly a tensor.
_OF_MANY = frozenset(
    [
        *("abs", "add", "bfloat16", "bool", "clamp", "contiguous", "cpu", "cuda", "detach", "div", "double", "exp"),
        *("expand", "flatten", "float", "half", "int", "long", "log", "mul", "permute", "pow", "relu", "repeat"),
        *("reshape", "scatter", "sigmoid", "softmax", "sqrt", "squeeze", "sub", "t", "tanh", "to", "transpose", "view"),
    ]
)
_WITH_EFFECTS = frozenset(
    f"torch.nn.functional.{name}" for name in ("batch_norm", "instance_norm", "embedding", "embedding_bag")
)


def _drops_a_result(candidate: Candidate) -> bool:
    for statement in candidate.nodes(ast.Expr):
        match statement.value:
            case ast.Call(ast.Attribute(owner, name)):
                if name in _OF_TENSORS or name in _OF_MANY or (dotted(owner) or "").endswith(("F", "functional")):
                    return True
    return False


@rule(fix="unsafe", trigger=_drops_a_result)
def result_dropped(module: ModuleClass) -> Iterator[Match]:
    """The method returns a new tensor and leaves the old one as it is: as a statement it has no effect.

    Only methods that end in an underscore change the tensor itself.

    Bad:
        class Attention(nn.Module):
            def forward(self, scores, mask):
                scores.masked_fill(mask, float("-inf"))
                return scores.softmax(-1)

    Good:
        class Attention(nn.Module):
            def forward(self, scores, mask):
                scores = scores.masked_fill(mask, float("-inf"))
                return scores.softmax(-1)

    Run time: masked places keep their weight.

    Not reported: `module.to(device)`, which moves a Module in place; methods that other objects have too, unless the
    object is certainly a tensor; functions called with `inplace=True` or `out=`; calls in a `try` or a `with`
    that wait for an error.

    Fix: unsafe. It assigns the result to the variable, so that what was written takes effect.
    """
    for statement in module.nodes(cst.Expr):
        call = statement.value
        if not isinstance(call, cst.Call) or module.method_of(call) is None or _waits_for_an_error(statement, module):
            continue
        owner = _changed(call, module)
        if owner is None:
            continue
        written = module.code(owner)
        attribute = module.attribute(owner)
        if module.registered.get(attribute or "") is Kind.PARAMETER:
            refused = "a tensor cannot take the place of a parameter"
        else:
            refused = "" if isinstance(owner, cst.Name) or attribute else "there is no variable to assign the result to"
        yield Match(
            call,
            f"`{module.code(call.func)}` returns a new tensor, which is dropped: `{written}` stays as it is",
            changes=() if refused else (Replace(call, (f"{written} = ", call)),),
            no_fix=refused or None,
        )


def _changed(call: cst.Call, module: ModuleClass) -> cst.BaseExpression | None:
    """What the author meant to change: the tensor, or the function's first argument."""
    if argument(call, "inplace") is not None or argument(call, "out") is not None:
        return None
    name = module.name_of(call.func)
    if name is not None:
        is_pure = is_function(name) and name not in _WITH_EFFECTS and not name.endswith("_")
        given = [arg.value for arg in call.args if not arg.star]
        if is_pure and given and not any(is_literal(each, "True") for each in given):
            return given[0]
        return None
    match call.func:
        case cst.Attribute(value=owner, attr=cst.Name(method)) if method in _OF_TENSORS:
            return None if _is_made_elsewhere(owner, module) else owner
        case cst.Attribute(value=owner, attr=cst.Name(method)) if method in _OF_MANY:
            return owner if is_tensor(module, owner) or is_input(module, owner) else None
    return None


def _is_made_elsewhere(owner: cst.BaseExpression, module: ModuleClass) -> bool:
    """Whether it is an attribute that is set to what a class or a function outside torch makes."""
    attribute = module.attribute(owner)
    values = (value for target, value in module.assignments() if attribute and module.attribute(target) == attribute)
    makers = (module.name_of(value.func) for value in values if isinstance(value, cst.Call))
    return any(maker is not None and not maker.startswith("torch.") for maker in makers)


def _waits_for_an_error(statement: cst.Expr, module: ModuleClass) -> bool:
    for above in module.ancestors(statement):
        if isinstance(above, cst.Try):
            return True
        if isinstance(above, cst.With) and any(_expects(module.code(item.item)) for item in above.items):
            return True
    return False


def _expects(context: str) -> bool:
    return any(word in context.lower() for word in ("assert", "raises", "suppress", "warns"))
