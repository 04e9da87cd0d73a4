"""What all modules of one class have in common, and what a module's plain attributes tell."""

from __future__ import annotations

import marshal
from functools import partial
from operator import itemgetter
from typing import Any

import torch
from torch import nn

from modscope.tracer.hidden import SIMPLE
from modscope.tracer.opened import among
from modscope.tracer.sources import see

_of_any_module = vars(nn.Module())
STANDARD = frozenset(_of_any_module)  # the attributes that every module has
TABLES = ("_parameters", "_buffers", "_modules")
HOOK_DICTS = tuple(name for name, value in _of_any_module.items() if isinstance(value, dict) and name not in TABLES)


class Kind:
    """What is the same for all modules of one class, read at the first of them."""

    def __init__(self, cls: type, own: dict[str, Any]) -> None:
        self._cls = cls  # its id tells it apart as long as it lives
        self.seen = see(cls)
        names = tuple(name for name in own if name not in STANDARD)
        self._length = len(own)
        self._attributes = itemgetter(*names, "training", "training")  # always several, so always a tuple
        function = getattr(cls, "extra_repr", None)
        self._silent = function is nn.Module.extra_repr and "extra_repr" not in names
        # torch's own texts follow from plain attributes and from which parameters there are; containers show tensors
        home = str(getattr(function, "__module__", ""))
        self._texts: dict[tuple[bytes, int], tuple[str, bool]] | None = None
        if home.startswith("torch.nn.modules.") and home != "torch.nn.modules.container" and "extra_repr" not in names:
            self._texts = {}
        self.runs_code = self._texts is None  # the user's, for a text

    def look(self, module: nn.Module, own: dict[str, Any], parameters: int) -> tuple[str, bool]:
        """A module's extra_repr, and whether its attributes are plain values that hide nothing and never change."""
        if len(own) == self._length:
            try:
                attributes = self._attributes(own)
            except KeyError:  # as many as the first one, but others
                return _extra_repr(module), False
            if self._texts is not None:
                return self._shared_text(module, attributes, parameters)
            plain = among(SIMPLE, attributes)
            return "" if self._silent else _extra_repr(module), plain
        return _extra_repr(module), False

    def _shared_text(self, module: nn.Module, attributes: tuple[Any, ...], parameters: int) -> tuple[str, bool]:
        try:
            # marshal tells 1 from 1.0 and True, as the text does, and refuses all but plain values
            key = marshal.dumps(attributes, 2), parameters
        except ValueError:
            return _extra_repr(module), False
        assert self._texts is not None
        seen = self._texts.get(key)
        if seen is None:
            seen = self._texts[key] = _extra_repr(module), all(map(_is_fixed, attributes))
        return seen


def _is_fixed(value: Any) -> bool:
    """Whether this plain value can never change: it is no list, dict or set, and holds none."""
    return all(map(_is_fixed, value)) if type(value) in (tuple, frozenset) else type(value) in SIMPLE


def _extra_repr(module: nn.Module) -> str:
    try:
        text = module.extra_repr()
    except Exception as error:
        return f"(extra_repr raised {type(error).__name__})"
    return text if isinstance(text, str) else ""


def unusual(module: nn.Module, own: dict[str, Any]) -> tuple[Any, ...]:
    """The same facts of a ScriptModule, whose children live in C++, or of a module without `super().__init__()`."""
    script = isinstance(module, torch.jit.ScriptModule)
    read = partial(getattr, module) if script else own.get  # what was traced hands on to a module it keeps
    held = [read(name, None) or {} for name in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")]
    return read("training", True), *held  # a frozen one has no flag
