"""Where in the user's code an op was run, read from the frames above it without keeping any."""

from __future__ import annotations

import os
import sysconfig
from bisect import bisect_right
from functools import lru_cache
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Literal

import torch

from modscope.findings import Location

if TYPE_CHECKING:
    from modscope.tracer.watch import Running

Place = tuple[CodeType, int]  # a function's code and the offset of the instruction in it

_TORCH = os.path.dirname(torch.__file__) + os.sep
_MODSCOPE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_PYTHON = os.path.dirname(os.__file__) + os.sep
_BACKPORTS = os.sep + "typing_extensions.py"  # torch's deprecated functions are called through it
_PACKAGES = tuple({sysconfig.get_paths()[kind] + os.sep for kind in ("purelib", "platlib")})
# torch's Python functions stand between an op and the function that runs it
_THIN = tuple(_TORCH + name for name in ("nn/functional.py", "functional.py", "overrides.py", "_tensor.py", "_ops.py"))
_MODULE = os.path.join(_TORCH, "nn", "modules", "module.py")
_CALL_IMPL = torch.nn.Module._call_impl.__code__
_WRAPPER = torch.nn.Module.__call__.__code__  # calls it
_EDGE = os.path.join(os.path.dirname(__file__), "watch.py")  # every recorded call passes it

Kind = Literal["user", "library", "thin", "edge"]

_kinds: dict[str, Kind] = {}  # by file


def kind_of(file: str) -> Kind:
    """Whose code a file holds: the user's, a library's, such a library's that only passes ops on, or the watch's."""
    kind: Kind
    if file == _EDGE:
        kind = "edge"
    elif file.startswith(_THIN) or file.startswith(_MODSCOPE):
        kind = "thin"
    elif (
        file.startswith(_TORCH)
        or file.endswith(_BACKPORTS)
        or (file.startswith(_PYTHON) and not file.startswith(_PACKAGES))
    ):
        kind = "library"
    else:
        kind = "user"
    _kinds[file] = kind
    return kind


def locate(frame: FrameType, call: Running | None) -> tuple[Place | None, CodeType | None, FrameType | None]:
    """The user's place that led to `frame`, and the function that runs there.

    The third is that function's frame, where it is a `forward` that was called past the module's `__call__`.
    """
    code = frame.f_code
    kind = _kinds.get(code.co_filename) or kind_of(code.co_filename)
    while kind == "thin" and frame.f_back is not None:
        frame = frame.f_back
        code = frame.f_code
        kind = _kinds.get(code.co_filename) or kind_of(code.co_filename)
    bypassed = None
    if code.co_name == "forward" and (frame.f_back is None or frame.f_back.f_code.co_filename != _MODULE):
        bypassed = frame
    if kind == "user":
        return (code, frame.f_lasti), code, bypassed
    above = frame.f_back
    if call is not None and above is not None and above.f_code is _CALL_IMPL:  # the forward of this call
        return call.place or _place_of(call, above), code, None
    return _user_place(above, call), code, bypassed


def _place_of(call: Running, frame: FrameType) -> Place | None:
    """Where a call was made that runs in this frame of torch's; remembered, for other ops in it will ask."""
    watched = frame.f_back and frame.f_back.f_back
    wrapper = watched and watched.f_back
    caller = wrapper.f_back if wrapper is not None and wrapper.f_code is _WRAPPER else None
    if caller is not None:  # by `module(...)`: else there are frames of others between
        code, around = caller.f_code, call.parent
        if (_kinds.get(code.co_filename) or kind_of(code.co_filename)) == "user":
            call.place = code, caller.f_lasti
        elif around is not None and caller.f_back is not None and caller.f_back.f_code is _CALL_IMPL:
            call.place = around.place  # a forward of a library's: that of the call around this one
    return call.place or _user_place(frame, call)


def _user_place(frame: FrameType | None, call: Running | None) -> Place | None:
    """The nearest place above that is the user's.

    Every call passes the watch: what was found above it is remembered with the call, so that the way is walked once per
    call and not once per op and level.
    """
    passed = []
    place: Place | None = None
    inside = None
    while frame is not None:
        code = frame.f_code
        kind = _kinds.get(code.co_filename) or kind_of(code.co_filename)
        if kind == "user":
            place = (code, frame.f_lasti)
            break
        if kind == "edge" and inside != "edge" and call is not None:  # the watch may have several frames for one call
            if call.place is not None:
                place = call.place
                break
            passed.append(call)
            call = call.parent
        frame, inside = frame.f_back, kind
    for each in passed:
        each.place = place
    return place


def location(place: Place) -> Location | None:
    """File and line of a place."""
    code, offset = place
    starts, locations = _lines(code)
    return locations[max(bisect_right(starts, offset) - 1, 0)]


@lru_cache(maxsize=4096)
def _lines(code: CodeType) -> tuple[list[int], list[Location]]:
    """Where the instructions of each line of a function begin."""
    known: dict[int, Location] = {}
    starts, locations = [0], [Location(code.co_filename, code.co_firstlineno)]
    for start, _, line in code.co_lines():
        if line is not None:
            starts.append(start)
            locations.append(known.setdefault(line, Location(code.co_filename, line)))
    return starts, locations
