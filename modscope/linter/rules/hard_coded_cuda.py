"""`x.cuda()` in a Module."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.calls import argument
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.variables import uses

_GUARDS = ("cuda", "gpu", "device")


@rule(words=("cuda",), trigger=r"""\.cuda\(\s*\)|["']cuda(?::\d+)?["']|\bcuda\.\w+Tensor\(""")
def hard_coded_cuda(module: ModuleClass) -> Iterator[Match]:
    """A Module that says `cuda` itself does not run on CPUs, other accelerators, or a second GPU.

    Where a module runs is for its user to say, with `model.to(device)`. New tensors take the device of an input or a
    parameter.

    Bad:
        class Net(nn.Module):
            def forward(self, x):
                return x + torch.ones(4).cuda()

    Good:
        class Net(nn.Module):
            def forward(self, x):
                return x + torch.ones(4, device=x.device)

    Run time: RuntimeError (or AssertionError, where torch was built without CUDA) on a machine without a GPU, and
    "tensors on different devices" for a model on `cuda:1`.

    Not reported: code that asks first (`if torch.cuda.is_available()`, `if x.is_cuda`, a `try`), defaults (of an
    argument, `device or "cuda"`), a GPU chosen by number (`torch.device("cuda", rank)`), methods and classes with
    `cuda` or `gpu` in their names.
    """
    if _speaks_of_gpus(module.name):
        return
    for call in module.nodes(cst.Call):
        if _moves_to_cuda(call, module) and not _is_guarded(call, module):
            yield Match(call, f"`{module.code(call)}` runs on the first NVIDIA GPU only; take the device of an input")
    for target, value in module.assignments():
        name = module.attribute(target) or (target.value if isinstance(target, cst.Name) else "")
        if "device" in name and _is_cuda(value) and _is_passed_on(target, module) and not _is_guarded(value, module):
            yield Match(value, f"`{module.code(target)}` is the first NVIDIA GPU, whatever the model is moved to")


def _is_passed_on(target: cst.BaseExpression, module: ModuleClass) -> bool:
    """Whether what is assigned may place something: an attribute, or a variable that some call is given."""
    function = module.function_of(target)
    if not isinstance(target, cst.Name) or function is None:
        return True
    return any(isinstance(module.parent(use), cst.Arg) for use in uses(module, target.value, function))


def _moves_to_cuda(call: cst.Call, module: ModuleClass) -> bool:
    match call:
        case cst.Call(func=cst.Attribute(attr=cst.Name("cuda")), args=[]):
            return True
        case cst.Call(func=cst.Attribute(attr=cst.Name("to"))) if _is_cuda(argument(call, "device", 0)):
            return True
    name = module.name_of(call.func) or ""
    if name == "torch.device":
        index = argument(call, "index", 1)
        return _is_cuda(argument(call, "type", 0)) and (index is None or isinstance(index, cst.Integer))
    if name.startswith("torch.cuda.") and name.endswith("Tensor"):
        return True
    return _is_cuda(argument(call, "device"))


def _is_cuda(node: cst.BaseExpression | None) -> bool:
    return isinstance(node, cst.SimpleString) and str(node.evaluated_value).partition(":")[0] == "cuda"


def _is_guarded(node: cst.CSTNode, module: ModuleClass) -> bool:
    for above in module.ancestors(node):
        match above:
            case cst.If(test=test) | cst.IfExp(test=test) | cst.Assert(test=test) if _speaks_of_gpus(module.code(test)):
                return True
            case cst.FunctionDef(name=cst.Name(name)) if _speaks_of_gpus(name):
                return True
            case cst.Try() | cst.Param() | cst.BooleanOperation():
                return True
    return module.method_of(node) in module.once(_methods_that_ask)


def _methods_that_ask(module: ModuleClass) -> frozenset[cst.FunctionDef | None]:
    asking = (each for each in module.nodes(cst.Attribute) if each.attr.value in ("is_available", "is_cuda"))
    return frozenset(module.method_of(each) for each in asking) - {None}


def _speaks_of_gpus(text: str) -> bool:
    return any(word in text.lower() for word in _GUARDS)
