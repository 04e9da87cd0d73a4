"""What torch.compile made runs eagerly while it is watched: dynamo would trace into the recorder.

What was compiled already stays so, and nothing is compiled that was not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from torch import nn

from modscope.tracer import calls
from modscope.tracer.shared import Shared

if TYPE_CHECKING:
    from modscope.tracer.watch import Watch

WATCHED = "it ran eagerly while it was watched"
_DYNAMO = "torch._dynamo.eval_frame"


def _dynamo() -> Any:
    """torch's compiler, where anything has loaded it."""
    return sys.modules.get(_DYNAMO)


def _note(watch: Watch, function: Any) -> None:
    """A compiled function ran; that modules are compiled is known, and what torch compiles is an op of its own."""
    if isinstance(function, FunctionType) and not (function.__module__ or "").startswith("torch."):
        module = None if watch.running is None else watch.running.module
        watch.recorder.note("compiled", f"{function.__qualname__}() is compiled; {WATCHED}", module)


class _OnLoad:
    """Sets the stance as soon as anything loads torch's compiler, as torch.cond does."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != _DYNAMO:
            return None
        spec: Any = PathFinder.find_spec(name, path, target)
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            del spec.loader.exec_module
            run(module)
            _take_stance(module)

        spec.loader.exec_module = exec_module
        return spec  # type: ignore[no-any-return]


_on_load: Any = _OnLoad()


def _run_eagerly(callback: Any) -> None:
    """What dynamo asks whenever something compiled is called: None runs it as it was written."""
    watch = calls.watch_here()
    if watch is not None and callable(callback):  # what must not be compiled comes by here, too, and has none
        _note(watch, sys._getframe(1).f_locals.get("fn"))


def _take_stance(dynamo: Any) -> None:
    _before.update(_stance=dynamo._stance, _callback_from_stance=dynamo._callback_from_stance)
    dynamo._stance = dynamo.DynamoStance("force_eager")
    dynamo._callback_from_stance = _run_eagerly


def _force_eager() -> None:
    if dynamo := _dynamo():
        _take_stance(dynamo)
    else:
        sys.meta_path.insert(0, _on_load)


def kept_from_compiling() -> bool:
    """Whether something compiled that is called now would run as it was written."""
    return bool(_before) and _dynamo()._callback_from_stance is _run_eagerly


@contextmanager
def compiling() -> Iterator[None]:
    """Have it compiled as before, and unseen."""
    dynamo = vars(_dynamo())
    watched = {name: dynamo[name] for name in _before}
    try:
        dynamo.update(_before)
        # in one line: an interrupt at the end of a longer block would leave the calls unseen
        with calls.unseen(): yield  # noqa: E701  # fmt: skip
    finally:
        dynamo.update(watched)


def _compile_again(_: None) -> None:
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not _on_load]
    for name, value in _before.items():
        setattr(_dynamo(), name, value)
    _before.clear()


_before: dict[str, Any] = {}  # what dynamo's names were bound to, once it is loaded
compiler = Shared(lambda: None, _force_eager, _compile_again)


def compiled(modules: Iterable[nn.Module], first: int = 0) -> Iterator[tuple[int, bool]]:
    """Which of these modules were compiled, counted from `first`, and whether in place (`module.compile()`)."""
    if dynamo := _dynamo():
        for number, module in enumerate(modules, first):
            in_place = object.__getattribute__(module, "__dict__").get("_compiled_call_impl") is not None
            if in_place or issubclass(type(module), dynamo.OptimizedModule):
                yield number, in_place
