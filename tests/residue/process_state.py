"""The process: generators, modes, namespaces, interpreter switches."""

from __future__ import annotations

import builtins
import decimal
import faulthandler
import gc
import logging
import os
import pickle
import random
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from functools import lru_cache
from operator import is_
from typing import Any

import numpy
import torch
import torch.nn.utils.parametrize as parametrize
from torch.autograd import forward_ad
from torch.optim import optimizer as optimizer_hooks

from tests.residue.bits import unobserved
from tests.residue.modules import settings_left
from tests.residue.snapshot import Snapshot

# Parts of torch that no forward binds anything in, and that would make a snapshot three times as long.
_FAR = re.compile(
    r"torch\.(_dynamo|_inductor|_functorch|_refs|_prims|_decomp|_export|_higher_order_ops|_subclasses|_numpy"
    r"|_library|ao|distributed|export|fx|onnx|ops|package|quantization|sparse|testing)\b"
)
_NAMESPACES = {
    name: module
    for name, module in sys.modules.items()
    if name == "torch" or (name.startswith("torch.") and not _FAR.match(name))
}
_NAMESPACES |= {module.__name__: module for module in (builtins, random, warnings, threading, numpy.random)}


_HALF = float("0.5")
_SIGNALS = sorted(signal.valid_signals())


def observe_process(snapshot: Snapshot) -> None:
    """Fill in all that is not the model's."""
    facts = {("mode", name): value for name, value in _torch_modes().items()}
    snapshot.bindings["mode", "function stack"] = dict(enumerate(_function_modes()))
    snapshot.bindings["mode", "dispatch stack"] = dict(enumerate(_dispatch_modes()))
    snapshot.bindings["mode", "default device"] = {"context": _default_device()}
    with unobserved():
        facts |= {("rng", name): value for name, value in _generators().items()}
    facts |= {("interpreter", name): value for name, value in _interpreter().items()}
    snapshot.facts.update(facts)
    for name, module in _NAMESPACES.items():
        snapshot.bindings["namespace", name] = _bindings(name, vars(module))
    for cls in (
        torch.Tensor,
        torch._C.TensorBase,
        type(torch._C._VariableFunctions),
        torch.nn.Module,
        torch.nn.Parameter,
        torch.autograd.Function,
    ):
        snapshot.bindings["class", cls.__name__] = dict(vars(cls))
    for space in (torch.nn.modules.module, optimizer_hooks):
        for name, value in vars(space).items():
            if name.startswith("_global_") and isinstance(value, dict):
                # under numbers that count up from hook to hook: a twin's are others
                snapshot.bindings["global hook", name] = dict(enumerate(value.values()))


_known: dict[str, dict[str, Any]] = {}


def _bindings(name: str, space: dict[str, Any]) -> dict[str, Any]:
    """A copy of a namespace: the last one, as long as nothing in it has changed."""
    known = _known.get(name, {})
    if len(known) != len(space) or not all(map(is_, known.values(), space.values())):
        known = _known[name] = dict(space)
    return known


def _generators() -> dict[str, Any]:
    states = {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "python": random.getstate(),
        "numpy": pickle.dumps(numpy.random.get_state(legacy=False)),
    }
    if torch.cuda.is_available():
        for index, state in enumerate(torch.cuda.get_rng_state_all()):
            states[f"cuda:{index}"] = state.numpy().tobytes()
    return states


def _default_device() -> Any:
    return getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)


def _function_modes() -> list[Any]:
    return [torch._C._get_function_stack_at(place) for place in range(torch._C._len_torch_function_stack())]


def _dispatch_modes() -> list[Any]:
    return [torch._C._get_dispatch_stack_at(place) for place in range(torch._C._len_torch_dispatch_stack())]


def _torch_modes() -> dict[str, Any]:
    C = torch._C
    modes = {
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "forward grad": C._is_fwd_grad_enabled(),
        "forward ad level": forward_ad._current_level,
        "autocast cache": torch.is_autocast_cache_enabled(),
        "default dtype": torch.get_default_dtype(),
        "default device": str(getattr(_default_device(), "device", None)),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "deterministic warn only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "fill uninitialized": torch.utils.deterministic.fill_uninitialized_memory,
        "matmul precision": _told(torch.get_float32_matmul_precision),
        "precisions": (torch.backends.mkldnn.matmul.fp32_precision, torch.backends.cuda.matmul.fp32_precision),
        "sparse invariants": torch.sparse.check_sparse_tensor_invariants.is_enabled(),
        "threads": torch.get_num_threads(),
        "printing": repr(torch._tensor_str.PRINT_OPTS),
        "anomaly": torch.is_anomaly_enabled(),
        "anomaly nan": torch.is_anomaly_check_nan_enabled(),
        "warn always": torch.is_warn_always_enabled(),
        "function modes": tuple(type(mode).__name__ for mode in _function_modes()),
        "dispatch modes": tuple(type(mode).__name__ for mode in _dispatch_modes()),
        "function enabled": C._is_torch_function_enabled(),
        "function all disabled": C._is_torch_function_all_disabled(),
        "jit tracing": C._get_tracing_state() is not None,
        "functorch level": C._functorch.maybe_current_level(),
        "saved tensor hooks": repr(C._autograd._top_saved_tensors_default_hooks(True)),
        "saved tensor hooks enabled": C._autograd._saved_tensors_hooks_is_enabled(),
        "multithreaded backward": C._is_multithreading_enabled(),
        "saved tensor hooks forbidden": C._autograd._saved_tensors_hooks_get_disabled_error_message(),
        "view replay": C._is_view_replay_enabled(),
        "profiler": torch.autograd._profiler_enabled(),
        "mkldnn": torch.backends.mkldnn.enabled,
        "mha fast path": torch.backends.mha.get_fastpath_enabled(),
        "flash": torch.backends.cuda.flash_sdp_enabled(),
        "attention": tuple(getattr(C, f"_get_{kind}_sdp_enabled")() for kind in ("math", "cudnn", "mem_efficient")),
        "attention priorities": tuple(C._get_sdp_priority_order()),
        "reductions": (
            C._get_cublas_allow_fp16_reduced_precision_reduction(),
            C._get_cublas_allow_bf16_reduced_precision_reduction(),
            C._get_cpu_allow_fp16_reduced_precision_reduction(),
            C._get_math_sdp_allow_fp16_bf16_reduction(),
        ),
        "old warnings": torch.utils.backcompat.broadcast_warning.enabled,
        "scripting": torch.jit._state._enabled.enabled,
        "distributions checked": torch.distributions.Distribution._validate_args,
        "cudnn": (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "parametrize cache": (parametrize._cache_enabled, tuple(map(repr, parametrize._cache))),
        "backward graph": C._current_graph_task_id(),
        "cuda initialized": torch.cuda.is_initialized(),
    }
    for device in ("cpu", "cuda"):
        modes[f"autocast {device}"] = (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))
    if dynamo := sys.modules.get("torch._dynamo.eval_frame"):
        modes["compile stance"] = repr(dynamo._stance)
        modes["what dynamo asks"] = dynamo._callback_from_stance.__qualname__
    return modes


def _told(setting: Callable[[], Any]) -> Any:
    """None where torch refuses to tell an older setting after a newer one was used."""
    try:
        return setting()
    except RuntimeError:
        return None


def _interpreter() -> dict[str, Any]:
    return {
        "warnings filters": tuple(map(repr, warnings.filters)),
        "signal handlers": tuple(map(signal.getsignal, _SIGNALS)),
        "gc": (gc.isenabled(), gc.get_threshold(), gc.get_debug(), len(gc.callbacks)),
        "recursion limit": sys.getrecursionlimit(),
        "import finders": tuple(map(repr, sys.meta_path)),
        "switch interval": sys.getswitchinterval(),
        "trace function": (sys.gettrace(), threading.gettrace()),
        "profile function": (sys.getprofile(), threading.getprofile()),
        "except hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook),
        "streams": (id(sys.stdin), id(sys.stdout), id(sys.stderr)),
        "path": tuple(sys.path),
        "import hooks": (tuple(map(id, sys.meta_path)), tuple(map(id, sys.path_hooks))),
        "modules": _foreign_modules(len(sys.modules)),
        "threads": frozenset(thread.ident for thread in threading.enumerate()),
        "thread stack size": threading.stack_size(),
        "fault handler": faulthandler.is_enabled(),
        "directory": os.getcwd(),
        "environment": tuple(sorted(os.environ.items())),
        "logging": (logging.root.level, len(logging.root.handlers), logging.root.manager.disable),
        "numpy errors": tuple(sorted(numpy.geterr().items())),
        "open files": _open_files(),
        "context": (settings_left.set_before.get(), settings_left.with_a_default.get(), decimal.getcontext().prec),
        "denormals": sys.float_info.min * _HALF,
    }


@lru_cache(maxsize=1)
def _foreign_modules(count: int) -> frozenset[str]:
    """What was imported beside torch and the standard library, whose parts may be loaded at any time."""
    names = {name.partition(".")[0] for name in sys.modules}
    return frozenset(name for name in names - _IMPORTABLE if not name.startswith("_sysconfigdata"))


_IMPORTABLE = sys.stdlib_module_names | {"torch", "torchgen", "modscope", "numpy"}


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
