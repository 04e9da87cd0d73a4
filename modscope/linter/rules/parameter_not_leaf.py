"""`nn.Parameter(x).cuda()`: what is kept is no parameter."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.calls import argument, is_literal
from modscope.linter.known import Kind
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.variables import values

_COPIES = frozenset(
    [
        *("cuda", "half", "double", "bfloat16", "clone"),
        *("mul", "div", "add", "sub", "neg", "abs", "exp", "log", "sqrt", "pow", "sigmoid", "tanh", "softmax", "clamp"),
        *("view", "reshape", "unsqueeze", "squeeze", "expand", "repeat", "transpose", "permute", "t", "flatten"),
    ]
)
_OTHER_DTYPES = frozenset(f"torch.{name}" for name in ("float16", "half", "float64", "double", "bfloat16"))


# an operator before the call, or an operator or a dot behind it
_CALL = r"Parameter\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*+\))*+\))*+\)"
_COMPUTED = rf"[-*/+@]\s*[\w.]*Parameter\(|{_CALL}\s*[-*/+@.]"


@rule(fix="unsafe", words=("Parameter(",), trigger=_COMPUTED)
def parameter_not_leaf(module: ModuleClass) -> Iterator[Match]:
    """What an operation makes of a Parameter is a plain tensor: the module does not know it and it is never trained.

    `nn.Parameter(x).cuda()` is a copy computed from the parameter. The copy is assigned, the parameter is lost: it is
    not in `parameters()`, and gradients go nowhere.

    Bad:
        class Scale(nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.randn(4)) * 0.02

            def forward(self, x):
                return x * self.weight

    Good:
        class Scale(nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.randn(4) * 0.02)

            def forward(self, x):
                return x * self.weight

    Run time: `list(Scale().parameters())` is empty.

    Not reported: what gives the same object back (`requires_grad_()`, `float()` and `to(torch.float32)` on a float32
    tensor), and `.data`, `.detach()` and
    `requires_grad=False`, which say that nothing is to be trained.

    Fix: unsafe. It moves the operation into the Parameter, which makes the attribute a parameter: it is trained and
    gets a key in `state_dict()`.
    """
    for target, value in module.assignments():
        name = module.attribute(target)
        if isinstance(value, cst.Name) and len(given := values(module, value)) == 1:
            value = given[0] or value
        inner = _operand(value, module) if name is not None else None
        if inner is None or inner is value or is_literal(argument(inner, "requires_grad", 1), "False"):
            continue
        mended = _inside(value, inner)
        yield Match(
            value,
            f"`self.{name}` is computed from a Parameter: it is a plain tensor, not trained and not saved",
            replacement=mended,
            no_fix=None if mended else "the Parameter is not made from one expression",
        )


def _operand(node: cst.BaseExpression, module: ModuleClass) -> cst.Call | None:
    """The Parameter that the expression is computed from; itself if the expression makes one."""
    match node:
        case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name(method))) if _copies(method, node, module):
            return _operand(owner, module)
        case cst.BinaryOperation(left=left, right=right):
            return _operand(left, module) or _operand(right, module)
        case cst.UnaryOperation(operator=cst.Minus(), expression=expression):
            return _operand(expression, module)
        case cst.Call() if module.kind_of(node) is Kind.PARAMETER:
            return node
    return None


def _copies(method: str, call: cst.Call, module: ModuleClass) -> bool:
    if method != "to":
        return method in _COPIES
    given = argument(call, "device") or argument(call, "dtype") or argument(call, "other", 0)
    name = module.name_of(given)
    if given is None or name in _OTHER_DTYPES:
        return given is not None
    return name not in ("torch.float32", "torch.float") and "type" not in module.code(given)


def _inside(value: cst.BaseExpression, inner: cst.Call) -> cst.BaseExpression | None:
    """The Parameter of the whole expression, computed from what the inner Parameter was made of."""
    match inner.args:
        case [cst.Arg(value=data, star="") as first, *rest]:
            if not isinstance(data, cst.Call | cst.Name | cst.Attribute | cst.Subscript):
                data = data.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
            computed = value.deep_replace(inner, data)
            return inner.with_changes(args=[first.with_changes(value=computed), *rest])
    return None
