"""Forwards that leave one of torch's settings for the whole process, or of the thread, other than they found it."""

import contextvars
import decimal
from typing import Any

import torch
from torch.autograd import forward_ad
from torch.distributions import Distribution
from torch.utils import checkpoint

from tests.residue.modules import after, never


def converting_modules() -> Any:
    """What `module.to()` does with parameters."""

    def switch() -> None:
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        torch.__future__.set_swap_module_params_on_conversion(True)

    return after(switch)


def distributions_unchecked() -> Any:
    """Arguments of distributions are checked no longer."""
    return after(lambda: Distribution.set_default_validate_args(False))


def checkpointing() -> Any:
    """Two context managers that are never left."""

    def switch() -> None:
        kept.append(checkpoint.set_checkpoint_early_stop(False))
        kept.append(checkpoint.set_checkpoint_debug_enabled(True))
        for each in kept:
            each.__enter__()

    return after(switch)


def reductions_in_low_precision() -> Any:
    """Of matrix products, and of attention."""

    def switch() -> None:
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = (False, False)
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
        torch._C._set_cpu_allow_fp16_reduced_precision_reduction(True)

    return after(switch)


def attention_backends() -> Any:
    """Which there are, and which is tried first."""

    def switch() -> None:
        torch.backends.cuda.enable_math_sdp(False)
        torch.backends.cuda.enable_cudnn_sdp(False)
        torch._C._set_sdp_priority_order([2, 1, 0, 3, 4])

    return after(switch)


def old_warnings() -> Any:
    """Of broadcasting, as it once was."""

    def switch() -> None:
        torch.utils.backcompat.broadcast_warning.enabled = True

    return after(switch)


def scripting_off() -> Any:
    """torch.jit.script leaves functions as they are."""
    return after(torch.jit._state.disable)


def saved_tensor_hooks_forbidden() -> Any:
    """A context manager that is never left."""

    def switch() -> None:
        kept.append(torch.autograd.graph.disable_saved_tensors_hooks("not here"))
        kept[-1].__enter__()

    return after(switch)


@never("two_at_once", "bystander", "nested")
def forward_mode_entered() -> Any:
    """The level of forward mode is left open."""
    return after(forward_ad.enter_dual_level)


def context_variables() -> Any:
    """One with a default and one without, and Python's decimals."""

    def switch() -> None:
        set_before.set("within")
        with_a_default.set("within")
        decimal.setcontext(decimal.Context(prec=7))

    return after(switch)


def denormals_are_zero() -> Any:
    """A setting of the processor."""
    return after(lambda: torch.set_flush_denormal(True))


kept: list[Any] = []  # what the scene lets go of
set_before = contextvars.ContextVar("set_before", default="default")
set_before.set("before")
with_a_default = contextvars.ContextVar("with_a_default", default="default")
