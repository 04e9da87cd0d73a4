"""torch's settings for the whole process that are one value each: in C++, or bound to a name in one of its modules."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from modscope.tracer.struck import heed

_C = torch._C
_Row = tuple[Callable[[], Any], Callable[[Any], Any]]


def read() -> list[Any]:
    """All of them."""
    return [get() for get, _ in _ROWS]


def write(before: list[Any]) -> None:
    """Set those that differ. What one of them refuses does not keep the others from being set."""
    refused: list[Exception] = []
    for (get, put), value in zip(_ROWS, before, strict=True):
        if get() != value:
            try:
                put(value)
            except Exception as error:
                heed(error)
                refused.append(error)
    if refused:
        raise refused[0]


# each of them torch has as `_get_…` and `_set_…`
_NAMED = """
    autograd_fallback_mode backcompat_broadcast_warn backcompat_keepdim_warn warnAlways qengine
    deterministic_fill_uninitialized_memory graph_executor_optimize dtensor_allow_implicit_replication
    blas_preferred_backend linalg_preferred_backend rocm_fa_preferred_backend nnpack_enabled mkldnn_enabled
    mkldnn_deterministic onednn_allow_tf32 miopen_immediate cudnn_enabled cudnn_benchmark cudnn_deterministic
    cudnn_depthwise_kernel sm_carveout_experimental cublas_allow_fp16_accumulation
    cpu_allow_fp16_reduced_precision_reduction math_sdp_allow_fp16_bf16_reduction sdp_priority_order
"""
_NAMED_OTHERWISE = (
    ("_check_sparse_tensor_invariants", "_set_check_sparse_tensor_invariants"),
    ("_get_flash_sdp_enabled", "_set_sdp_use_flash"),
    ("_get_mem_efficient_sdp_enabled", "_set_sdp_use_mem_efficient"),
    ("_get_math_sdp_enabled", "_set_sdp_use_math"),
    ("_get_cudnn_sdp_enabled", "_set_sdp_use_cudnn"),
    ("_get_fa3_sdp_enabled", "_set_sdp_use_fa3"),
    ("_get_overrideable_sdp_enabled", "_set_sdp_use_overrideable"),
    ("_jit_can_fuse_on_cpu", "_jit_override_can_fuse_on_cpu"),
    ("_jit_can_fuse_on_gpu", "_jit_override_can_fuse_on_gpu"),
    ("_jit_texpr_fuser_enabled", "_jit_set_texpr_fuser_enabled"),
)
_OF_TWO_VALUES = (
    "cublas_allow_fp16_reduced_precision_reduction",
    "cublas_allow_bf16_reduced_precision_reduction",
)
# Names in modules of torch, and in what stands there.
_BOUND = (
    ("torch.__future__", "_overwrite_module_params_on_conversion"),
    ("torch.__future__", "_swap_module_params_on_conversion"),
    ("torch.backends.mha", "_is_fastpath_enabled"),
    ("torch.backends.opt_einsum", "enabled"),
    ("torch.backends.opt_einsum", "strategy"),
    ("torch.distributions.distribution", "Distribution._validate_args"),
    ("torch.hub", "_hub_dir"),
    ("torch.jit._state", "_enabled.enabled"),
    ("torch.multiprocessing", "_sharing_strategy"),
    ("torch.nn.modules.module", "_global_is_full_backward_hook"),
    ("torch.nn.utils.parametrize", "_cache_enabled"),
    ("torch.utils.checkpoint", "_checkpoint_debug_enabled"),
    ("torch.utils.checkpoint", "_enable_checkpoint_early_stop"),
)


def _rows() -> Iterator[_Row]:
    for name in _NAMED.split():
        if hasattr(_C, f"_set_{name}"):
            yield getattr(_C, f"_get_{name}"), getattr(_C, f"_set_{name}")
    for read, write in _NAMED_OTHERWISE:
        if hasattr(_C, read) and hasattr(_C, write):
            yield getattr(_C, read), getattr(_C, write)
    for name in _OF_TWO_VALUES:
        if hasattr(_C, f"_set_{name}"):
            yield getattr(_C, f"_get_{name}"), partial(_apart, getattr(_C, f"_set_{name}"))
    for module, path in _BOUND:
        *way, name = path.split(".")
        loaded = sys.modules.get(module)
        owner: Any = getattr(loaded, "m", loaded)  # where one that checks what is set stands in its place
        for step in way:
            owner = getattr(owner, step, None)
        if hasattr(owner, name):
            yield partial(getattr, owner, name), partial(setattr, owner, name)


def _apart(put: Callable[..., Any], values: tuple[Any, ...] | bool) -> None:
    """A setter that wants what its getter gives, one by one."""
    put(*values) if isinstance(values, tuple) else put(values)


_ROWS = list(_rows())
