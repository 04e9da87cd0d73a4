"""What a process has one of, and a forward may move: modes, settings of torch and of the interpreter.

Each is one row: how to read it and how to set it. Only what is not as before is set, so that nothing is touched in
vain and an interrupted restoring can be taken up again.
"""

from __future__ import annotations

import gc
import inspect
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextvars import Context, copy_context
from functools import partial
from threading import get_ident
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import module
from torch.optim import optimizer

from modscope.tracer import modes, precisions, settings
from modscope.tracer.bindings import Callables, ClassAttributes, Names
from modscope.tracer.generators import generators
from modscope.tracer.shared import alone, recursion_room
from modscope.tracer.struck import heed
from modscope.tracer.switch import Switch, all_identical, identical, mends_what_differs, read_all

_C = torch._C


def _torch_modes() -> Iterator[Switch]:
    """What torch has one of in each thread."""
    yield Switch(torch.is_inference_mode_enabled, _set_inference_mode)
    yield Switch(torch.is_grad_enabled, _C._set_grad_enabled)
    yield Switch(_C._is_fwd_grad_enabled, _C._set_fwd_grad_enabled)
    for device in ("cpu", "cuda"):
        yield Switch(partial(torch.is_autocast_enabled, device), partial(torch.set_autocast_enabled, device))
        yield Switch(partial(torch.get_autocast_dtype, device), partial(torch.set_autocast_dtype, device))
    yield Switch(torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled)
    yield Switch(_C._is_multithreading_enabled, _C._set_multithreading_enabled)
    yield Switch(_C._is_view_replay_enabled, _C._set_view_replay_enabled)
    yield Switch(_device, _set_device, all_identical)
    yield Switch(modes.function_modes, modes.set_function_modes, all_identical)
    yield Switch(modes.dispatch_modes, modes.set_dispatch_modes, all_identical)
    yield Switch(partial(_C._autograd._top_saved_tensors_default_hooks, True), _set_saved_tensor_hooks)
    yield Switch(_C._autograd._saved_tensors_hooks_get_disabled_error_message, _forbid_saved_tensor_hooks)
    yield Switch(lambda: forward_ad._current_level, _leave_dual_levels)
    yield Switch(_C._get_torch_function_state, _C._set_torch_function_state)  # type: ignore[attr-defined]


def _settings() -> Iterator[Switch]:
    """torch's settings for the whole process."""
    yield Switch(torch.get_default_dtype, torch.set_default_dtype)
    yield Switch(
        lambda: (_C._get_deterministic_algorithms(), _C._get_deterministic_algorithms_warn_only()),
        lambda mode: _C._set_deterministic_algorithms(mode[0], warn_only=mode[1]),
    )
    yield Switch(
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda mode: torch.autograd.set_detect_anomaly(*mode),
    )
    yield Switch(precisions.read, precisions.write)
    yield Switch(settings.read, settings.write)
    yield Switch(torch.get_num_threads, torch.set_num_threads)
    yield Switch(lambda: dict(_PRINTING), _PRINTING.update)
    yield Switch(lambda: Names(_HOOKS), Names.put_back, mends_what_differs)
    yield Switch(lambda: Callables(_SPACES), Callables.put_back, mends_what_differs)
    for cls in (Tensor, nn.Parameter, nn.Module, torch.autograd.Function):
        yield Switch(partial(ClassAttributes, cls, _OURS), ClassAttributes.put_back, mends_what_differs)


_PRINTING: dict[str, Any] = vars(torch._tensor_str.PRINT_OPTS)
_SPACES = [
    vars(space)
    for space in (
        torch,
        nn,
        nn.functional,
        nn.init,
        torch.autograd,
        torch.fft,
        torch.linalg,
        torch.sparse,
        torch.special,
    )
]
_OURS = frozenset({"__call__", "_call_impl"})  # of nn.Module: recordings replace those, and put them back
_HOOKS = [
    value
    for space in (module, optimizer)
    for name, value in vars(space).items()
    if name.startswith("_global_") and isinstance(value, dict)
]  # of all modules and optimizers


def _set_inference_mode(before: bool) -> None:
    """It cannot be set: one more is entered within the one that the user's code entered, and never left."""
    guard: Any = _C._InferenceMode(before)
    _entered.append(guard)
    guard.__enter__()


_entered: list[Any] = []


def _set_saved_tensor_hooks(before: Any) -> None:
    while (now := _C._autograd._top_saved_tensors_default_hooks(True)) is not None and now != before:
        _C._autograd._pop_saved_tensors_default_hooks()
    if now != before:
        _C._autograd._push_saved_tensors_default_hooks(*before)


def _forbid_saved_tensor_hooks(before: str | None) -> None:
    if before is None:
        _C._autograd._saved_tensors_hooks_enable()
    else:
        _C._autograd._saved_tensors_hooks_disable(before)


def _leave_dual_levels(before: int) -> None:
    while forward_ad._current_level > before:
        forward_ad.exit_dual_level()  # type: ignore[no-untyped-call]


def _device() -> tuple[Any, Any]:
    """The default device: a context of the thread, and what torch.utils remembers of it."""
    remembered = getattr(sys.modules.get("torch.utils._device"), "CURRENT_DEVICE", None)
    return getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None), remembered


def _set_device(before: tuple[Any, Any]) -> None:
    torch._GLOBAL_DEVICE_CONTEXT.device_context, remembered = before
    if module := sys.modules.get("torch.utils._device"):
        module.CURRENT_DEVICE = remembered  # type: ignore[attr-defined]


def _interpreter() -> Iterator[Switch]:
    yield Switch(lambda: (warnings.filters, list(warnings.filters)), _set_filters)
    yield Switch(gc.get_threshold, lambda threshold: gc.set_threshold(*threshold))
    yield Switch(gc.get_debug, gc.set_debug)
    yield Switch(recursion_room.limit, recursion_room.set_limit)
    yield Switch(sys.getswitchinterval, sys.setswitchinterval)
    yield Switch(
        lambda: (sys.excepthook, sys.unraisablehook, sys.displayhook, threading.excepthook, warnings.showwarning),
        _set_hooks,
        all_identical,
    )


def _of_the_thread() -> Iterator[Switch]:
    """What Python and NumPy have one of in each thread."""
    yield Switch(sys.gettrace, sys.settrace, identical)
    yield Switch(sys.getprofile, sys.setprofile, identical)
    yield Switch(copy_context, _set_context, mends_what_differs)
    yield Switch(lambda: _SMALLEST / 2 == 0, torch.set_flush_denormal)  # torch does not tell
    if numpy := sys.modules.get("numpy"):
        yield Switch(numpy.geterr, lambda errors: numpy.seterr(**errors))
    if threading.current_thread() is threading.main_thread():  # only there Python lets a handler be set
        yield Switch(lambda: list(map(_handler_of, _SIGNALS)), _set_handlers)


_SMALLEST = sys.float_info.min
_SIGNALS = sorted(signal.valid_signals())
_handler_of = inspect.unwrap(signal.getsignal)  # what it is wrapped in makes enums, for 64 signals


def _set_context(before: Context) -> None:
    """Python knows no way to unset a variable: one that was not set has its default, if it has any."""
    for variable, value in copy_context().items():
        if before.get(variable, _UNSET) is not value:
            try:
                variable.set(before[variable] if variable in before else Context().run(variable.get))
            except LookupError:
                continue


_UNSET = object()


def _set_filters(before: tuple[Any, list[Any]]) -> None:
    warnings.filters, filters = before
    warnings.resetwarnings()  # what the process remembers of them counts no longer
    warnings.filters[:] = filters  # type: ignore[index]


def _set_hooks(before: tuple[Any, ...]) -> None:
    sys.excepthook, sys.unraisablehook, sys.displayhook, threading.excepthook, warnings.showwarning = before


def _set_handlers(before: list[Any]) -> None:
    for number, handler in zip(_SIGNALS, before, strict=True):
        if handler is not None and _handler_of(number) != handler:
            signal.signal(number, handler)


class Switches:
    """How all of them stand for this thread.

    What the whole process shares is taken by the first of several that run in different threads, and put back by the
    last: what the others find is in the middle of a forward, and what they would put back is in the way of another.
    """

    _running: ClassVar[list[Switches]] = []

    def __init__(self) -> None:
        self._thread = get_ident()
        self._own = read_all((*_torch_modes(), *_of_the_thread()))
        self._common: list[tuple[Switch, Any]] = []
        self.failed: dict[int | str, str] = {}  # what could not be put back, and why
        alone(self._begin)

    def put_back(self) -> None:
        """Set what has moved."""
        self._mend(self._own)
        alone(self._end)

    def _begin(self) -> None:
        elsewhere = [each for each in self._running if each._thread != self._thread]
        self._common = elsewhere[0]._common if elsewhere else read_all((*generators(), *_settings(), *_interpreter()))
        self._running.append(self)

    def _end(self) -> None:
        others = [each for each in self._running if each is not self]
        if all(each._thread == self._thread for each in others):
            self._mend(self._common)
        self._running[:] = others

    def _mend(self, before: list[tuple[Switch, Any]]) -> None:
        for switch, value in before:
            try:
                if switch.same is mends_what_differs or not switch.same(value, switch.read()):
                    switch.write(value)
            except Exception as error:
                heed(error)
                self.failed[f"what {getattr(switch.write, '__name__', 'a switch')} sets"] = repr(error)
