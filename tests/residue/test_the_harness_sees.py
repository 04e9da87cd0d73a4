"""The harness reports every kind of residue: each vandal leaves one after a trace, and mends it when it was seen."""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest
import torch
from torch import nn
from torch.nn.modules import module as module_hooks
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tests.residue.modules.normalization import batch_norm
from tests.residue.oracle import ground_truth, seen
from tests.residue.scene import perform, plain, recorded, survivors, traced, violations
from tests.residue.situations import normal

Vandal = Callable[..., Iterator[None]]
VANDALS: dict[str, Vandal] = {}


def leaves(*expected: str) -> Callable[[Vandal], Vandal]:
    """Register a vandal under what the harness must say of it."""

    def register(vandal: Vandal) -> Vandal:
        VANDALS[f"{vandal.__name__}: {' '.join(expected)}"] = vandal
        vandal.expected = expected  # type: ignore[attr-defined]
        return vandal

    return register


@leaves("global hook", "_global_forward_hooks")
def global_hook(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    handle = module_hooks.register_module_forward_hook(lambda *args: None)
    yield
    handle.remove()


@leaves("module model.0._forward_hooks")
def module_hook(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    model[0].register_forward_hook(lambda *args: None)
    yield


@leaves("hooks", "weight backward")
def tensor_hook(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    model[0].weight.register_hook(lambda gradient: None)
    yield


@leaves("hooks", "weight accumulated")
def accumulated_hook(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    model[0].weight.register_post_accumulate_grad_hook(lambda parameter: None)
    yield


@leaves("module", "training")
def train_flag(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    model[1].training = False
    yield


@leaves("module", "stray", "added")
def attribute_added(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    model.stray = 1
    yield


@leaves("module", "_modules order")
def children_reordered(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    model._modules["0"] = model._modules.pop("0")
    yield


@leaves("class", "stray", "added")
def class_attribute(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    nn.Conv2d.stray = 1
    yield
    del nn.Conv2d.stray


@leaves("class Module", "__call__")
def module_call_replaced(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    original = nn.Module.__call__
    nn.Module.__call__ = lambda self, *args, **kwargs: original(self, *args, **kwargs)
    yield
    nn.Module.__call__ = original


@leaves("buffer", "running_mean bits")
def buffer_written_unversioned(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    model[1].running_mean.data.add_(1)
    yield


@leaves("buffer", "running_mean version")
def buffer_version(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    model[1].running_mean.add_(0)
    yield


@leaves("parameter", "weight bits")
def parameter_written(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    model[0].weight.data.add_(1)
    yield


@leaves("parameter", "requires_grad")
def parameter_frozen(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    model[0].weight.requires_grad_(False)
    yield


@leaves("grad", "weight")
def gradient(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    model[0].weight.grad = torch.zeros_like(model[0].weight)
    yield


@leaves("input", "bits")
def input_written(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    x.add_(1)
    yield


@leaves("rng torch")
def torch_drawn(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    torch.rand(1)
    yield


@leaves("rng python")
def python_drawn(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    random.random()
    yield


@leaves("rng numpy")
def numpy_drawn(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    numpy.random.rand()
    yield


@leaves("namespace torch.nn.functional", "relu")
def torch_function_replaced(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    original = nn.functional.relu
    nn.functional.relu = lambda *args: original(*args)
    yield
    nn.functional.relu = original


@leaves("class Tensor", "__add__")
def tensor_method_replaced(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    torch.Tensor.__add__ = torch.Tensor.add
    yield  # perform() has mended it by then


@leaves("interpreter gc")
def collector_off(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@leaves("interpreter recursion limit")
def recursion_limit(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    sys.setrecursionlimit(sys.getrecursionlimit() + 1)
    yield


@leaves("interpreter warnings filters")
def warning_filter(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    warnings.simplefilter("ignore")
    yield


@leaves("interpreter signal handlers")
def signal_handler(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    original = signal.signal(signal.SIGINT, lambda *args: None)
    yield
    signal.signal(signal.SIGINT, original)


@leaves("interpreter trace function")
def line_tracer(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    original = threading.gettrace()
    threading.settrace(lambda *args: None)
    yield
    threading.settrace(original)


@leaves("interpreter except hooks")
def thread_excepthook(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    original, threading.excepthook = threading.excepthook, lambda *args: None
    yield
    threading.excepthook = original


@leaves("interpreter threads")
def thread_left(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    yield
    end.set()
    thread.join()


@leaves("interpreter environment")
def environment(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    os.environ["STRAY"] = "1"
    yield
    del os.environ["STRAY"]


@leaves("interpreter open files")
def file_left_open(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    with open(os.devnull):
        yield


@leaves("mode grad")
def gradients_off(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    torch.set_grad_enabled(False)
    yield


@leaves("mode autocast cpu")
def autocast_on(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    with torch.autocast("cpu"):
        yield


@leaves("mode inference")
def inference_on(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    mode = torch.inference_mode()
    mode.__enter__()
    yield
    mode.__exit__(None, None, None)


@leaves("mode default dtype")
def default_dtype(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield


@leaves("mode deterministic")
def deterministic(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield


@leaves("mode mha fast path")
def fast_path_off(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    torch.backends.mha.set_fastpath_enabled(False)
    yield


@leaves("mode function modes")
def function_mode(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    torch._C._push_on_torch_function_stack(TorchFunctionMode())
    yield  # perform() has popped it by then


@leaves("mode dispatch modes")
def dispatch_mode(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    torch._C._push_on_torch_dispatch_stack(TorchDispatchMode())
    yield  # perform() has popped it by then


@leaves("warned")
def warns(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    warnings.warn("stray", stacklevel=1)
    yield


@pytest.mark.parametrize("vandal", [pytest.param(vandal, id=name) for name, vandal in VANDALS.items()])
def test_a_residue_is_reported(vandal: Vandal) -> None:
    damage: list[Iterator[None]] = []

    def act(model: nn.Module, x: torch.Tensor) -> Any:
        seen = traced(model, x)
        damage.append(vandal(model, x))
        next(damage[0])
        return seen

    try:
        found = violations(perform(batch_norm, normal, act), normal)
    finally:
        next(damage[0], None)
    assert [line for line in found if all(word in line for word in vandal.expected)], found


def test_an_untouched_trace_is_clean() -> None:
    assert violations(perform(batch_norm, normal, traced), normal) == []


def test_an_altered_output_is_reported() -> None:
    def act(model: nn.Module, x: torch.Tensor) -> Any:
        output, trace = plain(model, x)
        return output * (1 + 1e-7), trace

    scene = perform(batch_norm, normal, act)
    scene.act = recorded
    assert any("output" in line for line in violations(scene, normal))


def test_an_exception_that_was_wrapped_is_reported() -> None:
    def act(model: nn.Module, x: torch.Tensor) -> Any:
        raise RuntimeError("wrapped")

    found = violations(perform(batch_norm, normal, act), normal)
    assert any(line.startswith("raised ('RuntimeError'") for line in found)


def test_effects_that_a_recording_undid_are_reported() -> None:
    def act(model: nn.Module, x: torch.Tensor) -> Any:
        return None, None

    scene = perform(batch_norm, normal, act)
    scene.act = recorded
    found = violations(scene, normal)
    assert any("num_batches_tracked" in line and "did not change" in line for line in found)


def test_a_tensor_kept_alive_is_reported() -> None:
    def act(model: nn.Module, x: torch.Tensor) -> Any:
        return None, [x]

    assert survivors(batch_norm, normal, act)[1] == ["Tensor"]


def test_a_call_that_was_missed_is_reported() -> None:
    trace = perform(batch_norm, normal, traced).trace
    assert seen(trace)[:-1] != ground_truth(batch_norm)
