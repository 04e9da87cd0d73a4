"""Forwards that switch something on for the whole thread or process, and leave it so."""

import signal
import sys
import threading
import warnings
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tests.residue.modules import after, never


def _nothing(*args: Any) -> None:
    """Somebody's hook."""


def _same(x: Tensor) -> Tensor:
    return x


class _Passes(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class _PassesBelow(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def autocast() -> Any:
    """set_autocast_enabled."""
    return after(lambda: torch.set_autocast_enabled("cpu", True))


def print_options() -> Any:
    """torch.set_printoptions."""
    return after(lambda: torch.set_printoptions(precision=1, sci_mode=True))


def function_mode() -> Any:
    """A function mode is entered."""
    return after(lambda: _Passes().__enter__())


def dispatch_mode() -> Any:
    """A dispatch mode is entered."""
    return after(lambda: torch._C._push_on_torch_dispatch_stack(_PassesBelow()))


def saved_tensor_hooks() -> Any:
    """What autograd saves is packed from now on."""
    return after(lambda: torch.autograd.graph.saved_tensors_hooks(_same, _same).__enter__())


def numpy_errors() -> Any:
    """numpy.seterr."""
    return after(lambda: numpy.seterr(all="ignore"))


def except_hooks() -> Any:
    """sys.excepthook, threading.excepthook, warnings.showwarning."""

    def switch() -> None:
        sys.excepthook = threading.excepthook = warnings.showwarning = _nothing

    return after(switch)


def signal_handler() -> Any:
    """A handler of its own, where Python lets it."""

    def switch() -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _nothing)

    return after(switch)


def global_module_hook() -> Any:
    """A forward hook on all modules of the process."""
    return after(lambda: nn.modules.module.register_module_forward_hook(_nothing))


def torch_function_replaced() -> Any:
    """torch.nn.functional.relu is another."""

    def switch() -> None:
        F.relu = F.relu6

    return after(switch)


kept: list[Any] = []  # what the scene lets go of


@never("inference", "threaded", "two_at_once", "bystander")
def inference_mode() -> Any:
    """Entered, and kept open by something outside of the model."""

    def switch() -> None:
        kept.append(torch.inference_mode())
        kept[-1].__enter__()

    return after(switch)


def precision_of_one_backend() -> Any:
    """The newer setting, after which torch does not tell the older ones."""

    def switch() -> None:
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"

    return after(switch)


def older_precision() -> Any:
    """It sets several newer ones, too."""
    return after(lambda: torch.set_float32_matmul_precision("medium"))


def sparse_invariants() -> Any:
    """They are checked from now on."""
    return after(torch.sparse.check_sparse_tensor_invariants.enable)


def module_class_extended() -> Any:
    """All modules have one more method."""

    def switch() -> None:
        nn.Module.as_it_is = _same  # type: ignore[assignment]

    return after(switch)


def torch_function_added() -> Any:
    """torch.nn.functional has one more."""

    def switch() -> None:
        F.as_it_is = _same  # type: ignore[attr-defined]

    return after(switch)


def tensor_method_replaced() -> Any:
    """torch.Tensor has a method that hides its base's, and another __add__."""

    def switch() -> None:
        torch.Tensor.sigmoid = torch.Tensor.__add__ = torch.Tensor.add

    return after(switch)


def global_optimizer_hook() -> Any:
    """A hook on the steps of all optimizers of the process."""
    return after(lambda: register_optimizer_step_post_hook(_nothing))
