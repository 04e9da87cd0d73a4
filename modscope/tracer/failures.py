"""How a recording was ended by an exception: which call it left, which line raised it, what may be wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

import torch

from modscope.findings import Location
from modscope.tracer import specs
from modscope.tracer.places import kind_of
from modscope.tracer.refs import Ref
from modscope.tracer.tree import Captured
from modscope.tracer.values import name_of, refs
from modscope.tracer.watch import Running, Watch

read = object.__getattribute__  # an exception of the user's may refuse to be asked
# what torch says where .numpy() and torch.tensor([x]) find no numbers
_NO_NUMBERS = re.compile(r"^\.numpy\(\)|data is not allocated")
_CALL = Watch.call.__code__


class Failure(NamedTuple):
    """An exception, written down without keeping it."""

    type: str
    message: str
    call: Running | None  # the innermost that it left
    location: Location | None
    hints: tuple[str, ...]


def failure(error: BaseException, captured: Captured) -> Failure:
    """Read what there is to know, while the model is still there."""
    traceback = read(error, "__traceback__")
    call = _innermost(traceback, captured)
    try:
        hints = () if call is None else tuple(_hints(error, call, captured))
    except Exception:  # strange tensors; the user's exception matters more
        hints = ()
    return Failure(name_of(type(error)), _message(error), call, _location(traceback), hints)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _innermost(traceback: TracebackType | None, captured: Captured) -> Running | None:
    found = None
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code is _CALL and frame.f_locals["self"].recorder.captured is captured:
            found = frame.f_locals.get("row", found)
        traceback = traceback.tb_next
    return found


def _location(traceback: TracebackType | None) -> Location | None:
    """The innermost line of the user's; where the exception passed none, the one that started the forward."""
    if traceback is None:
        return None
    above = traceback.tb_frame.f_back
    place = None
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if kind_of(file) == "user":
            place = Location(file, traceback.tb_lineno)
        traceback = traceback.tb_next
    while place is None and above is not None:
        if kind_of(above.f_code.co_filename) == "user":
            place = Location(above.f_code.co_filename, above.f_lineno)
        above = above.f_back
    return place


def _hints(error: BaseException, call: Running, captured: Captured) -> Iterator[str]:
    above = [call]
    while (parent := above[-1].parent) is not None:
        above.append(parent)
    if isinstance(error, RecursionError):
        yield from _circle(above, captured)
    elif captured.origin == "fake" and (type(error) is TypeError or _NO_NUMBERS.search(_message(error))):
        # neither torch nor Python names the reason
        yield "under fake() there are only shapes, and no numbers to hand to NumPy or to a text; trace real inputs"
    elif type(error) in (RuntimeError, NotImplementedError):  # what torch raises where tensors do not fit
        yield from _misfits(above[-1], captured)


def _circle(above: list[Running], captured: Captured) -> Iterator[str]:
    """The modules that called one another until there was no room for more calls."""
    places: dict[int, int] = {}
    for place, module in enumerate(call.module for call in above):
        if module in places:
            circle = [call.module for call in reversed(above[places[module] : place])]
            first = circle.index(min(circle))  # wherever it broke off, it reads the same
            paths = [captured.path(module) or "(root)" for module in (*circle[first:], *circle[: first + 1])]
            yield f"the calls go in a circle: {' > '.join(paths)}"
            return
        places[module] = place
    yield f"{len(above):,} calls were inside one another"


def _misfits(root: Running, captured: Captured) -> Iterator[str]:
    """Inputs on another device, or of another floating dtype, than all parameters. They are never moved."""
    parameters = [tensor for _, tensor in captured.parameters()]
    devices = {str(tensor.device) for tensor in parameters}
    dtypes = {specs.name(tensor.dtype) for tensor in parameters if tensor.is_floating_point()}
    for name, ref in named(root):
        spec = captured.spec(ref.standing) if ref.facts is None else ref.facts
        spec = specs.plain_spec(spec) if type(spec) is tuple else spec
        if devices and spec.device not in devices:
            yield _misfit(name, f"on the device {spec.device}", " and ".join(sorted(devices)))
        floating: bool = getattr(torch, spec.dtype).is_floating_point
        if dtypes and floating and spec.dtype not in dtypes:
            yield _misfit(name, f"of dtype {spec.dtype}", " and ".join(sorted(dtypes)))


def _misfit(name: str, found: str, expected: str) -> str:
    remedy = "move the one or the other, modscope moves none"
    if expected == "meta":  # they hold no numbers
        remedy = "trace inside modscope.fake(), which needs no numbers"
    return f"the input {name} is {found}, the parameters are {expected}: {remedy}"


def named(row: Running) -> Iterator[tuple[str, Ref]]:
    """The tensors a call received, each with the name of its argument."""
    positional = len(row.inputs) - len(row.names)
    for name, item in zip((*(f"args[{place}]" for place in range(positional)), *row.names), row.inputs, strict=True):
        for ref in refs(item):
            yield name, ref
