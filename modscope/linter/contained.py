"""The words in which containers are spoken of: what an element is, what one place holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto

from modscope.linter import cst
from modscope.linter.definitions import Shape

Place = tuple["cst.FunctionDef | None", str]  # a variable of a function; without a function: an attribute of `self`
FILLERS = frozenset({"append", "extend", "insert", "add", "appendleft", "extendleft", "update", "setdefault"})
MAKERS: dict[str, Shape] = {
    "builtins.list": "list",
    "builtins.tuple": "tuple",
    "builtins.set": "set",
    "builtins.frozenset": "set",
    "builtins.dict": "dict",
    "builtins.sorted": "list",
    "builtins.dict.fromkeys": "dict",
    "collections.deque": "deque",
    "collections.OrderedDict": "dict",
    "collections.OrderedDict.fromkeys": "dict",
    "collections.defaultdict": "dict",
}
ITERABLES = frozenset(
    {
        *(f"builtins.{name}" for name in ("zip", "reversed", "enumerate", "iter", "filter", "map")),
        *(f"itertools.{name}" for name in ("chain", "chain.from_iterable", "islice", "repeat")),
    }
)
COPIES = frozenset({"copy.copy", "copy.deepcopy"})
# What gives back the Module that it is given.
THROUGH = frozenset(
    {
        *(f"torch.nn.utils.{name}" for name in ("weight_norm", "spectral_norm", "remove_weight_norm")),
        *(f"torch.nn.utils.parametrizations.{name}" for name in ("weight_norm", "spectral_norm", "orthogonal")),
        *(f"torch.nn.utils.{name}" for name in ("fusion.fuse_conv_bn_eval", "parametrizations.parametrize")),
        "torch.compile",
        "torch.jit.script",
    }
)
# Methods of a Module that return it.
RETURN_SELF = frozenset(
    {"to", "cuda", "cpu", "xpu", "half", "float", "double", "bfloat16", "type", "to_empty"}
    | {"eval", "train", "requires_grad_", "apply", "share_memory"}
)
LOADERS = frozenset({"from_pretrained", "from_name", "from_config", "load_from_checkpoint", "from_float"})


class How(Enum):
    """What a value is to the place that it is put into."""

    WHOLE = auto()  # the value itself is there: `x = value`
    ELEMENT = auto()  # it is in the container that is there: `x.append(value)`
    INSIDE = auto()  # what it holds is in that container: `x.extend(value)`
    PART = auto()  # what it holds is there, one at a time: `for x in value`


@dataclass(frozen=True, slots=True)
class Flow:
    """One place in the source that puts a value somewhere."""

    value: cst.BaseExpression
    how: How
    target: cst.BaseExpression
    key: cst.BaseExpression | None = None


class State(Enum):
    """In what form a value is on its way."""

    ELEMENT = auto()  # itself: assigned to an attribute it is registered
    CONTAINER = auto()  # in a plain container: assigned to an attribute it is not
    NESTED = auto()  # in a container in a container
    WRAPPED = auto()  # in what some call has made of it

    def kept(self) -> State:
        """The form in which it is in a container that this is put into."""
        return _KEPT.get(self, self)

    def part(self) -> State:
        """The form in which it is when what holds it is taken apart."""
        return _PARTS.get(self, self)


_KEPT = {State.ELEMENT: State.CONTAINER, State.CONTAINER: State.NESTED}
_PARTS = {State.CONTAINER: State.ELEMENT, State.NESTED: State.CONTAINER}


class Held(StrEnum):
    """What an element is."""

    WEIGHTED = "weighted"  # a Module made here, with weights as far as can be told
    STATELESS = "stateless"  # a Module made here that holds nothing
    PARAMETER = "parameter"
    REGISTERED = "registered"  # known to the Module by another way
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Element:
    """One expression whose value is put into a container."""

    node: cst.BaseExpression
    held: Held
    name: str = ""  # as the source writes what makes it: "nn.Linear"


@dataclass(slots=True)
class Holding:
    """What stands in one place."""

    shapes: list[Shape] = field(default_factory=list)  # the plain containers that it may be, the likeliest first
    elements: list[Element] = field(default_factory=list)
    keys: list[cst.BaseExpression | None] = field(default_factory=list)  # of a dict; None where one cannot be told
    nested: bool = False  # containers stand in the container
    registers: bool = False  # it may also be a Module, which registers what it is given
    unknown: bool = False  # it may also be what some call returns


class Role(Enum):
    """How an expression takes part in what a place holds."""

    KEPT = auto()  # it is the container
    INSIDE = auto()  # what it holds is in the container
    ELEMENT = auto()  # it is in the container
    CALLED = auto()  # what calling it returns is in the container


Step = tuple["cst.BaseExpression", Role]
