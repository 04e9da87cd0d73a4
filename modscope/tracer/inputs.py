"""What people hand in: whether it is a model, what its forward lacks, and inputs made from a shape."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modscope.errors import ModscopeError

_CALL_IMPL = nn.Module._call_impl.__code__


class WrongInputs(ModscopeError, TypeError):
    """The model was given inputs that its forward does not take."""


class MissingInputs(WrongInputs):
    """The model was not given all inputs that its forward needs."""


def check(model: Any) -> nn.Module:
    """The model, if it is one."""
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise ModscopeError(f"{model.__qualname__} is a class; pass an instance: {model.__qualname__}(...)")
    if not issubclass(type(model), nn.Module):
        what = f"the class {model.__qualname__}" if isinstance(model, type) else f"of type {type(model).__qualname__}"
        raise ModscopeError(f"what was given as a model is {what}; a model is an instance of torch.nn.Module")
    checked: nn.Module = model
    return checked


def refusal(
    error: BaseException, model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> WrongInputs | None:
    """What is wrong with these inputs, where `error` says that the model's own forward does not take them."""
    if type(error) is not TypeError:
        return None
    codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    if codes.count(_CALL_IMPL) > 1 or not (codes[-1] is _CALL_IMPL or _is_about(error, type(model).forward)):
        return None
    try:
        signature = inspect.signature(model.forward)
        signature.bind(*args, **kwargs)
    except TypeError as complaint:
        forward = f"{type(model).__name__}.forward{signature}"
        if lacking := missing(signature, args, kwargs):
            foreign = _unknown(signature, kwargs)
            also = f"; it does not know {foreign}" if foreign else ""
            return MissingInputs(f"{forward} needs inputs it was not given: {lacking}{also}")
        return WrongInputs(f"{forward} does not take these inputs: {complaint}")
    except Exception:  # it has no signature, or reading it runs the user's code
        return None
    return None


def _is_about(error: TypeError, forward: Any) -> bool:
    """Whether Python says there that what a decorated forward hands on is not what the forward takes."""
    return str(error).startswith(f"{getattr(inspect.unwrap(forward), '__qualname__', '')}() ")


def missing(signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Parameters without a default that get no argument, by name."""
    unfilled = list(signature.parameters.values())[len(args) :]
    return ", ".join(
        each.name
        for each in unfilled
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        if each.name not in kwargs
    )


def _unknown(signature: inspect.Signature, kwargs: Mapping[str, Any]) -> str:
    """Keywords that no parameter takes."""
    if any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values()):
        return ""
    return ", ".join(name for name in kwargs if name not in signature.parameters)


def make_input(shape: Sequence[int], dtype: str | torch.dtype | None = None, like: nn.Module | None = None) -> Tensor:
    """A tensor of this shape: standard normal noise from a generator of its own, zeros for integers and bool.

    `dtype` is a torch dtype or its name ("int64"); without one, and for the device, the first floating parameter
    of `like` decides. Raises ModscopeError for an unknown dtype.
    """
    model_parameters: Iterable[Tensor] = () if like is None else like.parameters()
    model = next((p for p in model_parameters if p.is_floating_point()), torch.empty(0))
    kind = model.dtype if dtype is None else _dtype(dtype)
    if not (kind.is_floating_point or kind.is_complex):
        return torch.zeros(tuple(shape), dtype=kind, device=model.device)
    generator = torch.Generator().manual_seed(0)  # the caller's random numbers stay untouched
    noise = torch.randn(tuple(shape), generator=generator, dtype=torch.float32, device="cpu")
    return noise.to(device=model.device, dtype=kind)


def inputs_of_size(model: nn.Module, sizes: Iterable[Any]) -> tuple[Tensor, ...]:
    """One input per shape; `sizes` is one shape, (1, 3, 224, 224), or several."""
    shapes = tuple(sizes) if isinstance(sizes, Iterable) else (sizes,)
    if all(isinstance(size, int) for size in shapes):
        shapes = (shapes,)
    for shape in shapes:
        if not (isinstance(shape, Sequence) and all(type(size) is int and size >= 0 for size in shape)):
            raise ModscopeError(f"input_size holds {shape!r}; a shape is a tuple of sizes, such as (1, 3, 224, 224)")
    return tuple(make_input(shape, like=model) for shape in shapes)


def _dtype(name: str | torch.dtype) -> torch.dtype:
    found = name if isinstance(name, torch.dtype) else getattr(torch, name, None)
    if isinstance(found, torch.dtype):
        return found
    known = sorted(key for key, value in vars(torch).items() if isinstance(value, torch.dtype))
    raise ModscopeError(f"no dtype {name!r}; torch knows {', '.join(known)}")
