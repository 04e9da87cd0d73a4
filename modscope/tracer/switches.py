"""What a process has one of, and a forward may move: random generators, modes, interpreter settings.

Each is one row: how to read it and how to set it. Only what is not as before is set, so that nothing is touched in
vain and an interrupted restoring can be taken up again.
"""

from __future__ import annotations

import gc
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from threading import get_ident
from typing import Any, ClassVar, NamedTuple

import torch
from torch.utils._python_dispatch import _disable_current_modes

from modscope.tracer.shared import recursion_limit, set_recursion_limit

_C = torch._C


class Switch(NamedTuple):
    """`same` compares what was read before with what is read now."""

    read: Callable[[], Any]
    write: Callable[[Any], Any]
    same: Callable[[Any, Any], bool] = lambda before, now: before == now


def _identical(before: Any, now: Any) -> bool:
    return before is now


def _all_identical(before: Any, now: Any) -> bool:
    return len(before) == len(now) and all(map(_identical, before, now))


def _unobserved(function: Callable[..., Any]) -> Callable[..., Any]:
    """Past the user's modes: under fake tensors the state of a generator has no numbers."""

    def alone(*args: Any) -> Any:
        with _C.DisableTorchFunction(), _disable_current_modes():
            return function(*args)

    return alone


def _generators() -> Iterator[Switch]:
    yield Switch(_unobserved(torch.get_rng_state), _unobserved(torch.set_rng_state), _unobserved(torch.equal))
    yield Switch(random.getstate, random.setstate)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        yield Switch(
            _unobserved(torch.cuda.get_rng_state_all),
            _unobserved(torch.cuda.set_rng_state_all),
            _unobserved(lambda before, now: all(map(torch.equal, before, now))),
        )
    if numpy := sys.modules.get("numpy"):
        # the legacy global generator: name, key, position, and a cached number; arrays are compared as bytes
        yield Switch(
            numpy.random.get_state,
            numpy.random.set_state,
            lambda before, now: before[1].tobytes() == now[1].tobytes() and before[2:] == now[2:],
        )
        yield Switch(numpy.geterr, lambda errors: numpy.seterr(**errors))


def _torch_modes() -> Iterator[Switch]:
    """What each thread has its own of."""
    yield Switch(torch.is_grad_enabled, _C._set_grad_enabled)
    yield Switch(_C._is_fwd_grad_enabled, _C._set_fwd_grad_enabled)
    for device in ("cpu", "cuda"):
        yield Switch(partial(torch.is_autocast_enabled, device), partial(torch.set_autocast_enabled, device))
        yield Switch(partial(torch.get_autocast_dtype, device), partial(torch.set_autocast_dtype, device))
    yield Switch(torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled)
    yield Switch(_C._is_multithreading_enabled, _C._set_multithreading_enabled)
    yield Switch(_C._is_view_replay_enabled, _C._set_view_replay_enabled)
    yield Switch(_device, _set_device, _all_identical)
    yield Switch(_function_modes, _set_function_modes, _all_identical)


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
    for read, write in _PAIRS:
        if hasattr(_C, read) and hasattr(_C, write):
            yield Switch(getattr(_C, read), getattr(_C, write))
    yield Switch(torch.get_num_threads, torch.set_num_threads)
    yield Switch(torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled)


_PAIRS = (
    ("_get_deterministic_fill_uninitialized_memory", "_set_deterministic_fill_uninitialized_memory"),
    ("_get_float32_matmul_precision", "_set_float32_matmul_precision"),
    ("_get_warnAlways", "_set_warnAlways"),
    ("_get_mkldnn_enabled", "_set_mkldnn_enabled"),
    ("_get_cudnn_enabled", "_set_cudnn_enabled"),
    ("_get_cudnn_benchmark", "_set_cudnn_benchmark"),
    ("_get_cudnn_deterministic", "_set_cudnn_deterministic"),
    ("_get_flash_sdp_enabled", "_set_sdp_use_flash"),
    ("_get_mem_efficient_sdp_enabled", "_set_sdp_use_mem_efficient"),
    ("_get_math_sdp_enabled", "_set_sdp_use_math"),
    ("_get_cudnn_sdp_enabled", "_set_sdp_use_cudnn"),
)


def _device() -> tuple[Any, Any]:
    """The default device: a context of the thread, and what torch.utils remembers of it."""
    remembered = getattr(sys.modules.get("torch.utils._device"), "CURRENT_DEVICE", None)
    return getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None), remembered


def _set_device(before: tuple[Any, Any]) -> None:
    torch._GLOBAL_DEVICE_CONTEXT.device_context, remembered = before
    if module := sys.modules.get("torch.utils._device"):
        module.CURRENT_DEVICE = remembered  # type: ignore[attr-defined]


def _function_modes() -> list[Any]:
    return [_C._get_function_stack_at(place) for place in range(_C._len_torch_function_stack())]


def _set_function_modes(modes: list[Any]) -> None:
    while _C._len_torch_function_stack():
        _C._pop_torch_function_stack()
    for mode in modes:
        _C._push_on_torch_function_stack(mode)


def _interpreter() -> Iterator[Switch]:
    yield Switch(lambda: (warnings.filters, list(warnings.filters)), _set_filters)
    yield Switch(gc.get_threshold, lambda threshold: gc.set_threshold(*threshold))
    yield Switch(gc.get_debug, gc.set_debug)
    yield Switch(recursion_limit, set_recursion_limit)
    yield Switch(sys.getswitchinterval, sys.setswitchinterval)
    yield Switch(sys.gettrace, sys.settrace, _identical)
    yield Switch(sys.getprofile, sys.setprofile, _identical)
    yield Switch(
        lambda: (sys.excepthook, threading.excepthook, warnings.showwarning),
        _set_hooks,
        _all_identical,
    )
    if threading.current_thread() is threading.main_thread():  # only there Python lets a handler be set
        yield Switch(lambda: list(map(signal.getsignal, _SIGNALS)), _set_handlers)


_SIGNALS = sorted(signal.valid_signals())


def _set_filters(before: tuple[Any, list[Any]]) -> None:
    warnings.filters, filters = before
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _set_hooks(before: tuple[Any, Any, Any]) -> None:
    sys.excepthook, threading.excepthook, warnings.showwarning = before


def _set_handlers(before: list[Any]) -> None:
    for number, handler in zip(_SIGNALS, before, strict=True):
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


class Switches:
    """How all of them stand for this thread.

    Of what the whole process shares, a recording that begins while another thread's still runs takes over what that
    one found: what it sees itself is in the middle of a forward.
    """

    _running: ClassVar[list[Switches]] = []

    def __init__(self) -> None:
        self._thread = get_ident()
        self._own: list[tuple[Switch, Any]] = [(switch, switch.read()) for switch in _torch_modes()]
        earlier = [each for each in self._running if each is not self]
        if earlier and all(each._thread != self._thread for each in earlier):
            self._common: list[tuple[Switch, Any]] = earlier[0]._common
        else:
            self._common = [(switch, switch.read()) for switch in (*_generators(), *_settings(), *_interpreter())]
        self._running.append(self)

    def put_back(self) -> None:
        """Set what has moved."""
        for switch, before in (*self._common, *self._own):
            if not switch.same(before, switch.read()):
                switch.write(before)
        self._running[:] = [each for each in self._running if each is not self]
