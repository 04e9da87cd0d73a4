"""Modules whose Python protocols bite."""

from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from tests.residue.modules import Runs, never, running


def _bites(*args: Any, **kwargs: Any) -> NoReturn:
    raise AssertionError("nobody may ask")


def _with(**namespace: Any) -> Any:
    """A parent and a child of one hostile class."""

    def forward(self: Any, x: Tensor) -> Tensor:
        return self._modules["fc"](x)

    cls = type("Hostile", (nn.Module,), {"forward": forward, **namespace})
    parent, child = cls(), cls()
    child.fc, parent.fc = nn.Linear(3, 3), child
    return parent, (torch.randn(2, 3),)


def equality_raises() -> Any:
    """__eq__ raises."""
    return _with(__eq__=_bites, __hash__=object.__hash__)


def equality_returns_a_tensor() -> Any:
    """__eq__ returns what has no truth value."""
    return _with(__eq__=lambda self, other: torch.ones(2), __hash__=object.__hash__)


def everything_is_equal() -> Any:
    """All modules are equal and hash alike."""
    return _with(__eq__=lambda self, other: True, __hash__=lambda self: 1)


def unhashable() -> Any:
    """__hash__ = None."""
    return _with(__hash__=None, __eq__=lambda self, other: self is other)


class _Unhashable(type):
    def __eq__(cls, other: object) -> bool:
        return cls is other


@dataclass
class _Held(metaclass=_Unhashable):
    held: Any


class _UnhashableClass(nn.Module, metaclass=_Unhashable):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.kept = [_Held(torch.zeros(2)), 1]

    def forward(self, x: Tensor, held: Any) -> Any:
        return _Held(self.fc(x)), self.fc(held.held)


def class_unhashable() -> Any:
    """Their classes cannot be hashed, nor can those of what they are given, keep and give."""
    return _UnhashableClass(), (torch.randn(2, 3), _Held(torch.randn(1, 3)))


def hash_raises() -> Any:
    """__hash__ raises."""
    return _with(__hash__=_bites)


def length_zero() -> Any:
    """__len__ == 0: false in a boolean context."""
    return _with(__len__=lambda self: 0)


def truth_raises() -> Any:
    """__bool__ and __len__ raise."""
    return _with(__bool__=_bites, __len__=_bites)


def missing_attributes_raise() -> Any:
    """__getattr__ raises something that is no AttributeError."""

    def lookup(self: Any, name: str) -> Any:
        if name in ("_modules", "_parameters", "_buffers"):
            raise AttributeError(name)
        if name in self.__dict__.get("_modules", {}):
            return self.__dict__["_modules"][name]
        raise RuntimeError(f"hostile: {name}")

    return _with(__getattr__=lookup)


def every_attribute_exists() -> Any:
    """__getattr__ answers to everything."""

    def lookup(self: Any, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.__dict__["_modules"].get(name, lambda *args: "anything")

    return _with(__getattr__=lookup)


def attribute_access_is_counted() -> Any:
    """__getattribute__ writes down who asks for what, in an object of the user's."""
    asked: list[str] = []

    def lookup(self: Any, name: str) -> Any:
        if name in ("named_modules", "parameters", "state_dict", "modules", "children"):
            asked.append(name)
        return nn.Module.__getattribute__(self, name)

    model, inputs = _with(__getattribute__=lookup)
    model.asked = asked
    return model, inputs


def raising_properties() -> Any:
    """Properties that raise, under ordinary names."""
    return _with(weight=property(_bites), device=property(_bites), dtype=property(_bites), config=property(_bites))


def changing_properties() -> Any:
    """A property that does work when read."""

    def read(self: Any) -> int:
        self.__dict__["reads"] = self.__dict__.get("reads", 0) + 1
        return 1

    return _with(value=property(read))


def raising_repr() -> Any:
    """__repr__, extra_repr, _get_name, __str__ raise."""
    return _with(__repr__=_bites, extra_repr=_bites, _get_name=_bites, __str__=_bites, __format__=_bites)


def raising_walks() -> Any:
    """named_modules(), parameters(), state_dict() and their like raise."""
    names = "named_modules modules named_children children named_parameters parameters named_buffers buffers state_dict"
    return _with(**dict.fromkeys(names.split(), _bites))


def endless_iteration() -> Any:
    """__iter__ never ends, __contains__ raises, __getitem__ answers to every index."""
    return _with(__iter__=lambda self: iter(int, 1), __contains__=_bites, __getitem__=lambda self, key: self)


def raising_dir() -> Any:
    """__dir__ raises."""
    return _with(__dir__=_bites)


def raising_train() -> Any:
    """train() and eval() raise or return nothing."""
    return _with(train=_bites, eval=_bites)


def raising_copies() -> Any:
    """deepcopy, pickle and apply raise."""
    return _with(__deepcopy__=_bites, __reduce_ex__=_bites, apply=_bites, _apply=_bites, to=_bites)


@never("oracle")  # torch raises before its hooks run
def without_super_init() -> Any:
    """super().__init__() was never called; the forward needs nothing of it."""

    class Bare(nn.Module):
        def __init__(self) -> None:
            pass

        def forward(self, x: Tensor) -> Tensor:
            return x + 1

    return Bare(), (torch.randn(2, 3),)


def child_without_super_init() -> Any:
    """A hidden child that is no whole module."""

    class Bare(nn.Module):
        def __init__(self) -> None:
            pass

        def __call__(self, x: Tensor) -> Tensor:
            return x + 1

    model = Runs(lambda self, x: self.items[0](x))
    model.items = [Bare()]
    return model, (torch.randn(2, 3),)


def own_call() -> Any:
    """Overrides __call__ and goes on to the real one."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return nn.Module.__call__(self, *args, **kwargs) + 1

    return _with(__call__=call)


def own_call_only() -> Any:
    """Overrides __call__ and never reaches the real one."""
    return _with(__call__=lambda self, x: self._modules["fc"](x) if "fc" in self._modules else x)


def own_call_impl() -> Any:
    """Overrides _call_impl, which __call__ goes through."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return nn.Module._call_impl(self, *args, **kwargs) + 1

    return _with(_call_impl=call)


def own_setattr() -> Any:
    """__setattr__ refuses after construction, and so does __delattr__."""

    def refuse(self: Any, name: str, value: Any) -> None:
        if "fc" in self.__dict__.get("_modules", {}):
            raise RuntimeError("frozen")
        nn.Module.__setattr__(self, name, value)

    return _with(__setattr__=refuse, __delattr__=_bites)


def lying_class() -> Any:
    """__class__ says something else."""
    return _with(__class__=property(lambda self: int))


def slots() -> Any:
    """Slots beside the dictionary."""
    return _with(__slots__=("extra", "__weakref_free__"))


def no_signature() -> Any:
    """A forward whose signature nobody can read."""

    class Callable:
        __signature__ = "nonsense"

        def __get__(self, instance: Any, owner: Any) -> Any:
            return lambda x: x + 1

    return _with(forward=Callable())


class _Meta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        raise AssertionError("nobody may ask")

    def __eq__(cls, other: object) -> bool:
        raise AssertionError("nobody may ask")

    __hash__ = type.__hash__

    def __repr__(cls) -> str:
        raise AssertionError("nobody may ask")


def hostile_metaclass() -> Any:
    """A class that cannot be compared, shown or asked for its instances."""

    class Hostile(nn.Module, metaclass=_Meta):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.fc = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x)

    return Hostile(), (torch.randn(2, 3),)


def odd_names() -> Any:
    """Children and classes named with what names seldom hold."""
    model = nn.Module()
    model.forward = lambda x: next(child(x) for child in model._modules.values())
    for name in ("", "a b", "new\nline", "[0]", "self", "\ud800"):
        model._modules[name] = type(f"Odd {name!r}", (nn.Linear,), {})(3, 3)
    return model, (torch.randn(2, 3),)


def finalizer() -> Any:
    """__del__ counts, so that an early or late end is seen."""
    return _with(__del__=lambda self: None)


def foreign_objects_in_registry() -> Any:
    """None and a plain object among the children."""
    model, inputs = running(lambda self, x: x)
    model._modules["none"] = None
    model.register_parameter("absent", None)
    return model, inputs


def shadowed_methods() -> Any:
    """Attributes of the instance hide methods of Module."""
    model, inputs = running(lambda self, x: x)
    for name in ("parameters", "modules", "named_modules", "type", "buffers", "children", "extra_repr"):
        model.__dict__[name] = "shadow"
    return model, inputs
