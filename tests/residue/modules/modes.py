"""Forwards that switch something of the process, and do or do not switch it back."""

import gc
import logging
import signal
import sys
import threading
import warnings
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tests.residue.modules import running


def _after(switch: Any) -> Any:
    """A case that switches, then computes."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        switch()
        return self.fc(x) + torch.ones(3)

    return running(forward)


def autocast_within() -> Any:
    """Autocast in a with block."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            x = self.fc(x)
        return x.float()

    return running(forward)


def autocast_disabled_within() -> Any:
    """As models do that need full precision somewhere."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return self.fc(x.float())

    return running(forward)


def gradients_switched_off() -> Any:
    """set_grad_enabled(False), left so."""
    return _after(lambda: torch.set_grad_enabled(False))


def inference_within() -> Any:
    """inference_mode in a with block; its tensors come out."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.fc(x) * 2

    return running(forward)


def default_dtype_switched() -> Any:
    """set_default_dtype(float64), left so."""
    return _after(lambda: torch.set_default_dtype(torch.float64))


def default_device_within() -> Any:
    """with torch.device("meta")."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.device("meta"):
            shape = torch.empty(2, 3).shape
        return x.reshape(shape)

    return running(forward)


def default_device_switched() -> Any:
    """set_default_device("cpu"), left so: it is a function mode of the thread."""
    return _after(lambda: torch.set_default_device("cpu"))


def deterministic_switched() -> Any:
    """use_deterministic_algorithms, left so."""
    return _after(lambda: torch.use_deterministic_algorithms(True, warn_only=True))


def matmul_precision_switched() -> Any:
    """set_float32_matmul_precision, left so."""
    return _after(lambda: torch.set_float32_matmul_precision("high"))


def threads_switched() -> Any:
    """set_num_threads, left so."""
    return _after(lambda: torch.set_num_threads(1 if torch.get_num_threads() > 1 else 2))


def anomaly_within() -> Any:
    """detect_anomaly, which warns."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.autograd.detect_anomaly(check_nan=False):
            return self.fc(x)

    return running(forward)


def fast_path_switched() -> Any:
    """Switches torch's fused attention path off, left so."""
    return _after(lambda: torch.backends.mha.set_fastpath_enabled(False))


def warns() -> Any:
    """Warns, once per place and always."""

    def switch() -> None:
        warnings.warn("from the forward", UserWarning, stacklevel=2)
        warnings.warn("deprecated", DeprecationWarning, stacklevel=1)

    return _after(switch)


def warning_filters_switched() -> Any:
    """simplefilter("ignore"), left so."""
    return _after(lambda: warnings.simplefilter("ignore"))


def warnings_caught() -> Any:
    """catch_warnings in the forward."""

    def switch() -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.warn("inside", UserWarning, stacklevel=1)
        assert len(caught) == 1

    return _after(switch)


def garbage_collected() -> Any:
    """gc.collect(), and the collector's switches, left as set."""

    def switch() -> None:
        gc.collect()
        gc.set_threshold(701, 11, 11)

    return _after(switch)


def collector_switched() -> Any:
    """gc.disable(), left so."""
    return _after(gc.disable)


def collector_asked() -> Any:
    """The output depends on gc.isenabled(): pausing the collector can be seen, and is allowed to be."""
    return _after(gc.isenabled)


def recursion_limit_switched() -> Any:
    """setrecursionlimit, left so."""
    return _after(lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 77))


def switch_interval_switched() -> Any:
    """setswitchinterval, left so."""
    return _after(lambda: sys.setswitchinterval(0.004))


def except_hooks_switched() -> Any:
    """threading.excepthook and sys.excepthook, put back."""

    def switch() -> None:
        hooks = sys.excepthook, threading.excepthook
        sys.excepthook = threading.excepthook = lambda *args: None
        sys.excepthook, threading.excepthook = hooks

    return _after(switch)


def signal_handler_within() -> Any:
    """A handler of its own for a moment, where Python lets it."""

    def switch() -> None:
        if threading.current_thread() is threading.main_thread():
            old = signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGINT, old)

    return _after(switch)


def trace_function_within() -> Any:
    """A line tracer of the user's, put back."""

    def switch() -> None:
        old = sys.gettrace()
        sys.settrace(lambda *args: None)
        sys.settrace(old)

    return _after(switch)


def profile_function_within() -> Any:
    """A profiler of the user's around a child."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        old = sys.getprofile()
        sys.setprofile(lambda *args: None)
        try:
            return self.fc(x)
        finally:
            sys.setprofile(old)

    return running(forward)


def torch_profiler_within() -> Any:
    """torch.profiler around a child."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.autograd.profiler.profile():
            return self.fc(x)

    return running(forward)


def numpy_errors_within() -> Any:
    """numpy.errstate and a logger."""

    def switch() -> None:
        with numpy.errstate(all="ignore"):
            logging.getLogger("tests.residue").debug("from the forward")

    return _after(switch)


class _Doubles(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        return result * 2 if func is torch.nn.functional.relu else result


def function_mode_within() -> Any:
    """A function mode of the user's that changes results."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with _Doubles():
            return torch.nn.functional.relu(self.fc(x))

    return running(forward)


class _Counts(TorchDispatchMode):
    calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def dispatch_mode_within() -> Any:
    """A dispatch mode that counts: its count is an output."""

    def forward(self: nn.Module, x: Tensor) -> tuple[Tensor, int]:
        with _Counts() as counts:
            x = self.fc(x) + 1
        return x, counts.calls

    return running(forward)


def function_modes_disabled_within() -> Any:
    """DisableTorchFunction around a child."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch._C.DisableTorchFunction():
            return self.fc(x)

    return running(forward)


def global_module_hook_within() -> Any:
    """A global forward hook of the user's, removed again."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        handle = nn.modules.module.register_module_forward_hook(lambda module, args, output: output * 2)
        try:
            return self.fc(x)
        finally:
            handle.remove()

    return running(forward)


def deterministic_fill_switched() -> Any:
    """torch.utils.deterministic.fill_uninitialized_memory, left so."""

    def switch() -> None:
        torch.utils.deterministic.fill_uninitialized_memory = False

    return _after(switch)


def multithreading_within() -> Any:
    """Autograd's own switches in with blocks."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.autograd.set_multithreading_enabled(False), torch.autograd.graph.save_on_cpu():
            return self.fc(x)

    return running(forward)
