"""Replaced methods of `nn.Module`, for all recordings of the process: each call goes to who watches its thread.

It is `_call_impl` that is replaced, and not `__call__`: what was bound before (`call = module.__call__`, as compiled
modules do) comes by here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any

from torch import nn

from modscope.tracer.shared import Replaced
from modscope.tracer.uncompiled import uncompiled

if TYPE_CHECKING:
    from modscope.tracer.recorder import Recorder
    from modscope.tracer.watch import Watch

_watches: dict[int, Watch] = {}  # by thread, the innermost
_recorders: list[Recorder] = []  # those whose forward may start threads


@uncompiled
def _watched_call_impl(self: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
    watch = _watches.get(get_ident())
    if watch is not None:
        return watch.call(self, args, kwargs)
    for recorder in _recorders:
        if recorder.starts(self):
            return recorder.adopt(self, args, kwargs)
    return _call_impl.original(self, *args, **kwargs)


def _eager_call(self: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
    """A module that was compiled in place (`module.compile()`) runs eagerly where it is watched."""
    if _watches.get(get_ident()) is not None and self._compiled_call_impl is not None:
        return self._call_impl(*args, **kwargs)  # type: ignore[no-untyped-call]
    return _call.original(self, *args, **kwargs)


_call_impl = Replaced(nn.Module, "_call_impl", _watched_call_impl)
_call = Replaced(nn.Module, "__call__", _eager_call)


def begin(recorder: Recorder, compiled: bool) -> Callable[..., Any]:
    """Have module calls go through this recorder's watches; what they came down to before. `compiled`: some of its
    modules were compiled in place."""
    _recorders.append(recorder)
    _call_impl.need(recorder)
    if compiled:
        _call.need(recorder)
    original: Callable[..., Any] = _call_impl.original
    return original


def end(recorder: Recorder) -> None:
    """No longer; harmless where it never began."""
    _recorders[:] = [each for each in _recorders if each is not recorder]
    _call.leave(recorder)
    _call_impl.leave(recorder)


@contextmanager
def unseen() -> Iterator[None]:
    """Have module calls as they were before, in all threads."""
    watched = vars(nn.Module)["_call_impl"]
    try:
        nn.Module._call_impl = _call_impl.original  # type: ignore[method-assign]
        yield
    finally:
        nn.Module._call_impl = watched  # type: ignore[method-assign]


def watch_here() -> Watch | None:
    """Who watches this thread."""
    return _watches.get(get_ident())


def watches_here() -> Iterator[Watch]:
    """All that watch this thread, the innermost first."""
    watch = watch_here()
    while watch is not None:
        yield watch
        watch = watch.below


def watch_by(watch: Watch | None) -> None:
    """Let `watch` see this thread's calls."""
    if watch is None:
        _watches.pop(get_ident(), None)
    else:
        _watches[get_ident()] = watch


def unwatch(watch: Watch) -> None:
    """Take one off this thread, wherever it stands among those that watch it; harmless where it does not."""
    above, here = None, watch_here()
    while here is not None and here is not watch:
        above, here = here, here.below
    if here is not None and above is None:
        watch_by(watch.below)
    elif here is not None and above is not None:  # a recording that began later goes on
        above.below = watch.below
