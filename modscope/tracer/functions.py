"""What a torch function does with its arguments: read, share, write, or hand a number to Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any

import torch
from torch import Tensor

# A number or a truth value of a tensor leaves for Python: control flow may depend on data there.
ESCAPES = frozenset(
    [
        "item",
        "tolist",
        "numpy",
        "equal",
        "allclose",
        "is_nonzero",
        "_local_scalar_dense",
        "__bool__",
        "__int__",
        "__float__",
        "__complex__",
        "__index__",
        "__len__",
        "__contains__",
        "__array__",
        "__format__",
        "__repr__",
        "__dlpack__",
    ]
)
# Of these, the ones that hand out the memory itself.
_LEND = frozenset({"numpy", "__array__", "__dlpack__"})
# Names that end in an underscore, and yet no number changes: what autograd makes of the tensor may.
_NO_WRITES = frozenset({"requires_grad_", "detach_", "share_memory_", "rename_"})
# What these write besides their output: (argument, the argument that says whether). torch says so nowhere.
_HIDDEN = {
    **dict.fromkeys(("batch_norm", "native_batch_norm"), (("running_mean", "training"), ("running_var", "training"))),
    "instance_norm": (("running_mean", "use_input_stats"), ("running_var", "use_input_stats")),
    "embedding": (("weight", "max_norm"),),
    "embedding_bag": (("weight", "max_norm"),),
}


class Function:
    """One torch function.

    `fresh`: its outputs never share memory with its inputs; `rebinds`: it gives a tensor other memory; `marks`: it
    changes no numbers, but what autograd makes of a tensor; `fills`: it fills a container that it is given; `lends`:
    it hands memory to Python; `higher`: it runs functions; `differentiates`: it gives nothing, and fills gradients;
    `kernel`: it was seen below Python.
    """

    __slots__ = (
        "careful",
        "differentiates",
        "escape",
        "fills",
        "fresh",
        "function",
        "higher",
        "kernel",
        "lends",
        "marks",
        "name",
        "quiet",
        "rebinds",
        "writes",
    )

    def __init__(self, function: Any, kernel: bool = False) -> None:
        self.name = _name(function)
        self.kernel = kernel
        self.escape = self.name in ESCAPES
        self.lends = self.name in _LEND
        self.writes = _writes(function, self.name)
        self.fresh = _is_fresh(function, self.name)
        self.higher = isinstance(function, torch._ops.HigherOrderOperator)
        self.differentiates = self.name == "backward" and not isinstance(function, _OPERATORS)
        self.fills = self.name == "__deepcopy__"
        self.rebinds = self.name in _REBINDS and self.writes is not None
        self.marks = self.name in _NO_WRITES or (self.name == "requires_grad" and self.writes is not None)
        self.careful = self.escape or self.higher or self.differentiates or self.fills or self.writes is not None
        self.quiet = self.name == "grad" and getattr(function, "__name__", None) == "__get__"  # p.grad runs nothing
        # Only torch's own are kept: a user's function may hold tensors.
        home = getattr(function, "__module__", None) or ""
        self.function = function if home.partition(".")[0] == "torch" or not hasattr(function, "__code__") else None


Writes = Callable[[tuple[Any, ...], Mapping[str, Any]], Iterator[Tensor]]


def _name(function: Any) -> str:
    name = getattr(function, "__name__", None)
    if name in ("__get__", "__set__"):  # the attribute's descriptor: Tensor.data.__get__
        attribute = getattr(function, "__self__", None)
        return str(getattr(attribute, "__name__", name))
    return name.partition(".")[0] if isinstance(name, str) else type(function).__name__


def _writes(function: Any, name: str) -> Writes | None:
    """How to find the tensors that a call writes in place; None: it writes none."""
    if isinstance(function, _OPERATORS):
        return _both(_written_by_schemas(_schemas(function)), _written_out_of_schema(name))
    if getattr(function, "__name__", None) == "__set__":
        return _first if name in ("data", "requires_grad") else None
    if name.startswith("__"):
        return _first if name == "__setitem__" or (name.startswith("__i") and name not in _QUESTIONS) else None
    if name.endswith("_"):
        return _both(_first, _written_by_schemas(torch._C._jit_get_schemas_for_operator(f"aten::{name}"), 1))
    code = getattr(function, "__code__", None)
    if code is None:
        return _written_out_of_schema(name)
    names = code.co_varnames[: code.co_argcount]
    if "inplace" in names:
        switch = ("training",) if "dropout" in name and "training" in names else ()  # off: it gives what it was given
        return _hidden(names, ((names[0], "inplace", *switch),))
    return _hidden(names, _HIDDEN[name]) if name in _HIDDEN else None


def _both(one: Writes | None, other: Writes | None) -> Writes | None:
    if one is None or other is None:
        return one or other
    return lambda args, kwargs: chain(one(args, kwargs), other(args, kwargs))


def _schemas(operator: Any) -> list[Any]:
    """Of an operator, or of one with overloads."""
    if isinstance(operator, torch._ops.OpOverload):
        return [operator._schema]
    return [getattr(operator, name)._schema for name in operator.overloads()]


def _written_by_schemas(schemas: Iterable[Any], first: int = 0) -> Writes | None:
    """From the first argument on; what is written is the same in all of them, or has a name of its own."""
    names: tuple[str, ...] = ()
    written: dict[str, None] = {}
    for arguments in (each.arguments for each in schemas):
        targets = [each for each in arguments[first:] if each.alias_info is not None and each.alias_info.is_write]
        written.update((each.name, None) for each in targets if each.name != "out")  # that is looked for at every call
        if not names and not all(each.is_out for each in targets):
            names = tuple(each.name for each in arguments)
    return _named(names, tuple(written)) if written else None


def _written_out_of_schema(name: str) -> Writes | None:
    return _hidden(_BUILTIN_ARGUMENTS[name], _HIDDEN[name]) if name in _BUILTIN_ARGUMENTS else None


_OPERATORS = (torch._ops.OpOverload, torch._ops.OpOverloadPacket)
_REBINDS = frozenset({"data", "set_"})
_QUESTIONS = frozenset({"__int__", "__index__", "__invert__", "__iter__", "__init__"})
_BUILTIN_ARGUMENTS = {
    **dict.fromkeys(
        ("batch_norm", "native_batch_norm"), ("input", "weight", "bias", "running_mean", "running_var", "training")
    ),
    "instance_norm": ("input", "weight", "bias", "running_mean", "running_var", "use_input_stats"),
}


def _first(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
    target: Any = args[0] if args else next(iter(kwargs.values()), None)
    for each in target if type(target) in (list, tuple) else (target,):
        if issubclass(type(each), Tensor):
            yield each


def _named(names: tuple[str, ...], written: tuple[str, ...]) -> Writes:
    def find(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        for name in written:
            yield from _first((given.get(name),), {})

    return find


def _hidden(names: tuple[str, ...], written: tuple[tuple[str, ...], ...]) -> Writes:
    """`written`: an argument, and those that say whether it is written."""
    places = [
        (names.index(target), target, [(names.index(each), each) for each in conditions])
        for target, *conditions in written
    ]

    def find(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
        count = len(args)
        for target, name, conditions in places:
            for condition, question in conditions:
                if (args[condition] if condition < count else kwargs.get(question)) in (None, False):
                    break
            else:
                found: Any = args[target] if target < count else kwargs.get(name)
                if issubclass(type(found), Tensor):
                    yield found

    return find


def _is_fresh(function: Any, name: str) -> bool:
    """Whether all of torch's schemas of this name give outputs of their own memory."""
    home = getattr(function, "__module__", None) or "torch"
    if not home.startswith("torch") or name in _MAY_SHARE:
        return False
    if getattr(function, "__name__", None) in ("__get__", "__set__"):
        return False
    return _gives_no_views(name)


@cache
def _gives_no_views(name: str) -> bool:
    schemas = torch._C._jit_get_schemas_for_operator(f"aten::{name}")
    aliases = [each.alias_info for schema in schemas for each in schema.returns]
    # one that is written is that of an overload with `out=`
    return bool(schemas) and all(alias is None or alias.is_write for alias in aliases)


# Their schemas do not say that they may give views, as attributes (`.data`, `.T`) do.
_MAY_SHARE = frozenset(
    [
        "_unsafe_view",
        "align_tensors",
        "atleast_1d",
        "atleast_2d",
        "atleast_3d",
        "broadcast_tensors",
        "einsum",
        "meshgrid",
        "set_",
        "unsafe_chunk",
        "unsafe_split",
        "unsafe_split_with_sizes",
    ]
)
