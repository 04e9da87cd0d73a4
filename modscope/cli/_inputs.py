"""`--input`: what a forward is given, written as a shape."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from modscope.errors import ModscopeError

GRAMMAR = re.compile(r"(?:(?P<name>[^=]*)=)?(?P<sizes>[^:]*)(?::(?P<dtype>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One tensor of the forward's inputs: "1x3x224x224", or "ids=1x16:int64" for a keyword."""

    name: str | None
    shape: tuple[int, ...]
    dtype: str | None

    @classmethod
    def parse(cls, text: str) -> InputSpec:
        """Raises ModscopeError with a caret under the place that cannot be read."""
        parts = GRAMMAR.fullmatch(text)
        assert parts is not None  # every part may be anything
        if parts["name"] is not None and not parts["name"].isidentifier():
            raise _unreadable(text, 0, "a name is a Python identifier")
        if parts["dtype"] == "":
            raise _unreadable(text, len(text), "a dtype is missing")
        position = parts.start("sizes")
        sizes = []
        for size in parts["sizes"].split("x"):
            if not (size.isascii() and size.isdecimal()):
                raise _unreadable(text, position, "a size is a whole number")
            sizes.append(int(size))
            position += len(size) + 1
        return cls(parts["name"], tuple(sizes), parts["dtype"])


def make_inputs(specs: Iterable[InputSpec], model: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The positional and keyword arguments of these specs, on the model's device, in its dtype where none is given."""
    from modscope.tracer import make_input

    args = []
    kwargs = {}
    for spec in specs:
        try:
            tensor = make_input(spec.shape, spec.dtype, like=model)
        except (RuntimeError, TypeError, OverflowError) as error:
            reason = str(error).partition("\n")[0]
            raise ModscopeError(
                f"cannot make an input of shape {spec.shape}: {reason} (--fake needs no memory)"
            ) from None
        if spec.name is None:
            args.append(tensor)
        else:
            kwargs[spec.name] = tensor
    return tuple(args), kwargs


def _unreadable(text: str, position: int, complaint: str) -> ModscopeError:
    return ModscopeError(
        f"cannot read an --input: {complaint}\n"
        f"  {text}\n"
        f"  {' ' * position}^\n"
        "It is [NAME=]SIZExSIZE…[:DTYPE], such as 1x3x224x224 or ids=1x16:int64."
    )
