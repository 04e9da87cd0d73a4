"""Which expressions certainly are tensors, and of which ones nobody can tell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from modscope.linter import cst
from modscope.linter.calls import argument, is_literal
from modscope.linter.known import Kind
from modscope.linter.module import ModuleClass
from modscope.linter.variables import Binding, Variable, all_bindings, values

# Make a tensor on the CPU, or on the device they are told.
_FACTORIES = """
    arange as_tensor bartlett_window blackman_window empty eye from_numpy full hamming_window hann_window kaiser_window
    linspace logspace normal ones rand randint randn randperm tensor tril_indices triu_indices zeros
    FloatTensor LongTensor IntTensor BoolTensor DoubleTensor HalfTensor ByteTensor Tensor
"""
# Functions of torch that give back one tensor whatever they are given.
_FUNCTIONS = """
    abs add addmm argmax argmin argsort baddbmm bmm bucketize cat clamp clone concat concatenate cos cosh cross cumprod
    cumsum deg2rad diag diag_embed diagonal diff div einsum empty_like erf exp exp2 expm1 eye flatten flip floor
    full_like gather hstack index_select isfinite isinf isnan kron log log10 log1p log2 log_softmax logical_and
    logical_not logical_or logsumexp masked_fill masked_select matmul mm mul mv narrow neg norm ones_like outer
    permute pow rand_like randint_like randn_like reciprocal relu remainder repeat_interleave reshape roll round rsqrt
    rot90 scatter sigmoid sign sin sinh softmax sqrt square squeeze stack sub t take take_along_dim tan tanh tile
    transpose tril triu unsqueeze vstack where zeros_like
"""
FACTORY_NAMES = frozenset(f"torch.{name}" for name in _FACTORIES.split())
_FUNCTION_NAMES = frozenset(["torch.autograd.Variable", *(f"torch.{name}" for name in _FUNCTIONS.split())])
# Methods that give back one tensor when they are called on one.
METHODS = frozenset(
    [
        *(_FUNCTIONS.split()),
        *("bfloat16", "bool", "byte", "contiguous", "cpu", "cuda", "detach", "double", "expand", "expand_as", "fill_"),
        *("float", "half", "int", "long", "masked_fill_", "mean", "mul_", "new_ones", "new_zeros", "normal_", "prod"),
        *("repeat", "requires_grad_", "sum", "to", "type_as", "uniform_", "view", "view_as", "zero_", "add_", "div_"),
    ]
)
VIEWS = ("T", "mT", "data", "real", "imag")  # attributes of a tensor that are tensors


def is_tensor(module: ModuleClass, node: cst.CSTNode | None) -> bool:
    """Whether the expression is a tensor, as far as the class itself proves it."""
    return _is_tensor(module, node, module.once(_tensor_variables))


def is_function(name: str | None) -> bool:
    """Whether it is the full name of a function that gives back one tensor."""
    return name is not None and (name in _FUNCTION_NAMES or name.startswith(("torch.nn.functional.", "torch.nn.init.")))


def factory(module: ModuleClass, node: cst.CSTNode | None) -> cst.Call | None:
    """The `torch.zeros(...)` that a tensor expression starts from; None when it starts from anything else."""
    calls = (each for each in lineage(module, node) if isinstance(each, cst.Call))
    return next((call for call in calls if module.name_of(call.func) in FACTORY_NAMES), None)


def lineage(module: ModuleClass, node: cst.CSTNode | None) -> Iterator[cst.CSTNode]:
    """The expressions that a tensor is computed from, itself first: `x`, `torch.ones(4).exp()`, `torch.ones(4)`."""
    seen: set[str] = set()  # variables: `x = x + 1` starts from itself
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        yield node
        match node:
            case cst.Call(func=func) if module.name_of(func) in FACTORY_NAMES:
                pass
            case cst.Call(func=func, args=[cst.Arg(value=first), *_]) if is_function(module.name_of(func)):
                waiting.append(first)
            case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name(method))) if method in METHODS:
                waiting.append(owner)
            case cst.BinaryOperation(left=left, right=right):
                waiting += [right, left]
            case cst.UnaryOperation(expression=inner) | cst.Subscript(value=inner):
                waiting.append(inner)
            case cst.List(elements=elements) | cst.Tuple(elements=elements):
                waiting += [each.value for each in elements]
            case cst.Name() | cst.Attribute() if (written := module.code(node)) not in seen:
                seen.add(written)
                given = values(module, node) if isinstance(node, cst.Name) else _set_to(module, node)
                first_made = [each for each in given if each is None or not _mentions(module, each, written)]
                waiting += given if len(first_made) == 1 else []


def _mentions(module: ModuleClass, value: cst.CSTNode, written: str) -> bool:
    """Whether a value is computed from the variable, or attribute, that it is for: `x = x.exp()`."""
    kind = cst.Attribute if "." in written else cst.Name
    return any(module.code(each) == written for each in module.nodes(kind, within=value))


def requires_grad(module: ModuleClass, node: cst.CSTNode) -> bool:
    """Whether the expression asks for gradients: `torch.zeros(3, requires_grad=True)`, `….requires_grad_()`."""
    for call in module.nodes(cst.Call, within=node):
        match call:
            case cst.Call(func=cst.Attribute(attr=cst.Name("requires_grad_")), args=args):
                if not args or is_literal(args[0].value, "True"):
                    return True
            case cst.Call() if is_literal(argument(call, "requires_grad"), "True"):
                return True
    return False


# ---- what variables and attributes hold


def settle(
    module: ModuleClass,
    every: Mapping[Variable, list[Binding]],
    change: Callable[[Variable], None],
    changes: Callable[[Binding], bool],
) -> None:
    """Let what is known of one variable change what is known of those computed from it, until nothing changes.

    A variable changes once, when one of its bindings says so.
    """
    readers: dict[Variable, list[tuple[Variable, Binding]]] = {}
    waiting = [(variable, each) for variable, bound in every.items() for each in bound]
    for variable, each in waiting:
        for value in (each.value, each.iterable):
            for read in set(_read(module, value)) if value is not None else ():
                readers.setdefault(read, []).append((variable, each))
    changed: set[Variable] = set()
    while waiting:
        variable, binding = waiting.pop()
        if variable not in changed and changes(binding):
            changed.add(variable)
            change(variable)
            waiting += readers.get(variable, ())


def attribute_variable(name: str | None) -> Variable:
    """An attribute of the instance among the variables."""
    return None, f".{name}"


def attribute_bindings(module: ModuleClass) -> Mapping[Variable, list[Binding]]:
    """What the class sets its attributes to, buffers included. Ask by `module.once(attribute_bindings)`."""
    found: dict[Variable, list[Binding]] = {}
    for target, value in module.assignments():
        if isinstance(target, cst.Attribute) and module.attribute(target) is not None:
            found.setdefault(attribute_variable(target.attr.value), []).append(Binding(target.attr, value))
    for call in module.nodes(cst.Call):
        if module.attribute(call.func) == "register_buffer":
            name, tensor = argument(call, "name", 0), argument(call, "tensor", 1)
            if isinstance(name, cst.SimpleString) and tensor is not None:
                variable = attribute_variable(str(name.evaluated_value))
                found.setdefault(variable, []).append(Binding(cst.Name("_"), tensor))
    return found


def _read(module: ModuleClass, value: cst.CSTNode) -> Iterator[Variable]:
    for name in module.nodes(cst.Name, within=value):
        yield module.function_of(name), name.value
    for attribute in module.nodes(cst.Attribute, within=value):
        if module.attribute(attribute) is not None:
            yield attribute_variable(attribute.attr.value)


def _set_to(module: ModuleClass, node: cst.Attribute) -> list[cst.BaseExpression | None]:
    bound = module.once(attribute_bindings).get(attribute_variable(module.attribute(node)), [])
    return [each.value for each in bound]


def _tensor_variables(module: ModuleClass) -> frozenset[Variable]:
    """The variables that hold nothing but tensors: each does until a binding shows otherwise."""

    every = {**module.once(all_bindings), **module.once(attribute_bindings)}
    # `x += y` leaves a tensor a tensor
    plain = {
        variable: [each for each in bound if not isinstance(module.parent(each.name), cst.AugAssign)]
        for variable, bound in every.items()
    }
    tensors = {variable for variable, bound in plain.items() if bound}
    settle(module, plain, tensors.discard, lambda binding: not _is_bound_to_tensor(module, binding, tensors))
    return frozenset(tensors)


def _is_bound_to_tensor(module: ModuleClass, binding: Binding, tensors: set[Variable]) -> bool:
    if binding.value is not None:
        return _is_tensor(module, binding.value, tensors)
    match module.parent(binding.name):
        case cst.Param(annotation=cst.Annotation(annotation=annotation)):
            return module.name_of(annotation) == "torch.Tensor"
    return False


def _is_tensor(module: ModuleClass, node: cst.CSTNode | None, variables: Collection[Variable]) -> bool:
    match node:
        case cst.Call(func=func):
            name = module.name_of(func)
            if name is not None:
                return name in FACTORY_NAMES or is_function(name)
            match func:
                case cst.Attribute(value=owner, attr=cst.Name(method)) if method in METHODS:
                    return _is_tensor(module, owner, variables)
        case cst.BinaryOperation(left=left, right=right):
            return _is_tensor(module, left, variables) or _is_tensor(module, right, variables)
        case cst.UnaryOperation(operator=cst.Minus() | cst.BitInvert(), expression=inner) | cst.Subscript(value=inner):
            return _is_tensor(module, inner, variables)
        case cst.Attribute(value=owner, attr=cst.Name(name)):
            if (own := module.attribute(node)) is not None:
                return module.registered.get(own) is Kind.PARAMETER or attribute_variable(own) in variables
            return name in VIEWS and _is_tensor(module, owner, variables)
        case cst.Name(value=name):
            return (module.function_of(node), name) in variables
    return False
