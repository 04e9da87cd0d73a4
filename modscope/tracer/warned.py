"""Warnings name the file and line that they name when nobody watches: frames of ours count for none.

What Python code warns of is given the right number of levels. What torch's C++ warns of names the innermost frame,
one of ours: Python never forgets to show those, and shows them for the right frame instead.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from types import FrameType
from typing import Any

from torch.overrides import handle_torch_function

from modscope.tracer import modes, ops
from modscope.tracer.shared import Shared

_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_HANDLE = handle_torch_function.__code__
_MODE = "__torch_function__"

for _each in (ops, modes):  # a registry that is None remembers nothing
    vars(_each)["__warningregistry__"] = None


def _warn(message: Any, category: Any = None, stacklevel: int = 1, source: Any = None, **options: Any) -> None:
    """`warnings.warn`, which counts levels from the one that called it."""
    levels = max(stacklevel, 2 if options.get("skip_file_prefixes") else 1)
    _originals["warn"](message, category, levels + 1 + _ours_within(levels), source, **options)


def _ours_within(levels: int) -> int:
    """How many frames of ours stand among so many levels of a stack, from who called `warnings.warn`."""
    count = passed = 0
    for frame, ours in _stack(sys._getframe(2)):
        count += ours
        passed += not ours and not _is_import(frame)
        if passed == levels:
            return count
    return count


def _showwarnmsg(message: Any) -> None:
    """Show one; where it names a frame of ours, see first what is to be done with it at the right one."""
    users = next((frame for frame, ours in _stack(sys._getframe(1)) if not ours), None)
    if users is None or not message.filename.startswith(_OURS):
        _originals["_showwarnmsg"](message)
    else:
        warnings.onceregistry.pop((str(message.message), message.category), None)  # type: ignore[attr-defined]
        _warn_at(users, message)


def _warn_at(frame: FrameType, message: Any) -> None:
    space, file = frame.f_globals, frame.f_code.co_filename
    module, registry = space.get("__name__") or "<string>", space.setdefault("__warningregistry__", {})
    what = message.message, message.category, file, frame.f_lineno, module, registry
    warnings.warn_explicit(*what, source=message.source)


def _stack(frame: FrameType | None) -> Iterator[tuple[FrameType, bool]]:
    """A frame and those around it, and whether they are there because somebody watches."""
    doubles = 0  # a torch function in Python that a mode sees runs twice: around the mode, to hand itself over
    while frame is not None:
        code = frame.f_code
        ours = code.co_filename.startswith(_OURS)
        yield frame, ours or doubles > 0
        doubles = max(doubles - 1, 0)
        around = frame.f_back
        if ours and code.co_name == _MODE and around is not None and around.f_code is _HANDLE:
            doubles = 2
        frame = around


def _is_import(frame: FrameType) -> bool:
    """Python counts none of those."""
    return "importlib" in frame.f_code.co_filename and "_bootstrap" in frame.f_code.co_filename


def _read() -> dict[str, Any]:
    return {name: vars(warnings)[name] for name in _INSTEAD if name in vars(warnings)}


def _replace() -> None:
    _originals.update(_read())
    for name in _originals:
        setattr(warnings, name, _INSTEAD[name])


def _put_back(before: dict[str, Any]) -> None:
    for name, value in before.items():
        setattr(warnings, name, value)


_INSTEAD: dict[str, Any] = {"warn": _warn, "_showwarnmsg": _showwarnmsg}
_originals = _read()
warned = Shared(_read, _replace, _put_back)
