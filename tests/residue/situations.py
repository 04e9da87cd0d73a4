"""Where a tricky module may be met. Every public function here plays one scene; a new situation is a function."""

from __future__ import annotations

import functools
import gc
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import nn

from tests.residue.bits import bits
from tests.residue.cases import Build, build, seed
from tests.residue.model_state import modules_of
from tests.residue.scene import Scene, Situation, at_home, eager, plain


def walk() -> dict[str, Situation]:
    """All of them, by name."""
    own = {name: value for name, value in globals().items() if isinstance(value, FunctionType)}
    return {
        name: value
        for name, value in own.items()
        if value.__module__ == __name__ and not name.startswith("_") and value is not walk
    }


def normal(scene: Scene) -> None:
    """A call."""
    scene.play()


def evaluating(scene: Scene) -> None:
    """A call of a model in eval, without gradients."""
    for module in modules_of(scene.case.model):
        object.__getattribute__(module, "__dict__")["training"] = False
    with torch.no_grad():
        scene.play()


def raising(scene: Scene) -> None:
    """The last module that ran raises, after it has done its work."""
    _sabotage(scene, lambda: _throw(ValueError("sabotaged")))
    scene.play()


def interrupted(scene: Scene) -> None:
    """Ctrl-C while that module runs."""
    _sabotage(scene, lambda: signal.raise_signal(signal.SIGINT))
    scene.play()


def threaded(scene: Scene) -> None:
    """A call in another thread."""
    _in_a_thread(scene.play)


def nested(scene: Scene) -> None:
    """Traced within a forward that is being traced."""
    act = scene.act

    def within(model: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
        results = []
        outer = _Calls(lambda: results.append(act(model, *args, **kwargs)))
        act(outer)
        return results[0]

    scene.play(within)


def inference(scene: Scene) -> None:
    """The caller is in inference mode."""
    with torch.inference_mode():
        scene.play()


def autocasting(scene: Scene) -> None:
    """The caller is in autocast."""
    with torch.autocast("cpu", torch.bfloat16):
        scene.play()


def odd_modes(scene: Scene) -> None:
    """Every switch that can be is where it seldom is."""
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_float32_matmul_precision("medium")
    torch.backends.mha.set_fastpath_enabled(False)
    sys.setrecursionlimit(sys.getrecursionlimit() + 1234)
    gc.disable()
    gc.set_threshold(500, 5, 5)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
        scene.play()


def meta_device(scene: Scene) -> None:
    """The caller's default device is meta: factories in the forward make nothing."""
    with torch.device("meta"):
        scene.play()


def two_at_once(scene: Scene) -> None:
    """Another thread's run of another model began before and ends in the midst of this one."""
    other = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout())
    began, may_end = threading.Event(), threading.Event()
    other.append(_Calls(lambda: (began.set(), may_end.wait(10))))
    act = plain if scene.act is eager else scene.act  # the stance it takes is the whole process's
    x = torch.randn(4, 3)

    def run() -> None:
        try:
            act(other, x)
        finally:
            began.set()

    thread = threading.Thread(target=run)
    _wrap(scene.case.model, before=lambda: (may_end.set(), thread.join()))

    def within(model: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
        thread.start()
        began.wait(10)
        try:
            return scene.act(model, *args, **kwargs)
        finally:
            may_end.set()
            thread.join()

    scene.play(within)
    if int(other[1].num_batches_tracked) != (0 if scene.undoes else 1):
        scene.complaints.append("the other thread's model is not as it should be")


def bystander(scene: Scene) -> None:
    """Another thread runs a model of its own all the time, by plain calls."""
    model = nn.Sequential(_Bystander(), nn.LayerNorm(3)).eval()
    x = torch.arange(6.0).view(2, 3)
    expected = bits(model(x))
    stop, rounds, wrong = threading.Event(), threading.Semaphore(0), []

    def run() -> None:
        while not stop.is_set():
            if bits(model(x)) != expected:
                wrong.append("the bystander's output was altered")
            rounds.release()

    sys.setswitchinterval(0.000125)
    thread = threading.Thread(target=run)
    _wrap(scene.case.model, before=lambda: [rounds.acquire() for _ in range(rounds._value + 2)])
    thread.start()
    try:
        scene.play()
    finally:
        stop.set()
        thread.join()
    scene.complaints += wrong[:1]
    if scene.trace is not None and any(call.type == "_Bystander" for call in scene.trace.calls):
        scene.complaints.append("calls of the bystander were recorded")


def pending_backward(scene: Scene) -> None:
    """A forward before, its backward after."""
    model, args, kwargs = scene.case
    try:
        pending = _differentiable(model(*args, **kwargs))
    except BaseException:
        pending = []
    scene.play()
    try:
        parameters = [
            each for module in modules_of(model) for each in nn.Module.parameters(module) if each.requires_grad
        ]
        gradients = torch.autograd.grad(sum(each.sum() for each in pending), parameters, allow_unused=True)
        found: Any = [gradient if gradient is None else bits(gradient) for gradient in gradients]
    except Exception as error:
        found = type(error).__name__
    scene.output = (scene.output, found)


class _Calls(nn.Module):
    """Runs something in its forward."""

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any = None) -> Any:
        self.function()
        return x


class _Bystander(nn.Linear):
    def __init__(self) -> None:
        super().__init__(3, 3)


def _sabotage(scene: Scene, act: Callable[[], Any]) -> None:
    _wrap(modules_of(scene.case.model)[last_called(scene.function)], after=act)
    seed()  # whether or not the place was known already


@functools.cache
def last_called(function: Build) -> int:
    """Which of the model's modules ran last: the place among them all, the same for all twins."""
    called: list[nn.Module] = []
    with at_home(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, args, kwargs = build(function)
        known = {id(module): place for place, module in enumerate(modules_of(model))}
        handle = nn.modules.module.register_module_forward_pre_hook(lambda module, args: called.append(module))
        try:
            model(*args, **kwargs)
        except BaseException:
            pass
        finally:
            handle.remove()
    return next((known[id(module)] for module in reversed(called) if id(module) in known), 0)


def _wrap(
    module: nn.Module, *, before: Callable[[], Any] | None = None, after: Callable[[], Any] | None = None
) -> None:
    forward = module.forward

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before is not None:
            before()
        output = forward(*args, **kwargs)
        if after is not None:
            after()
        return output

    object.__getattribute__(module, "__dict__")["forward"] = wrapped


def _throw(error: BaseException) -> None:
    raise error


def _differentiable(value: Any, depth: int = 0) -> list[torch.Tensor]:
    if issubclass(type(value), torch.Tensor):
        return [value] if value.requires_grad else []
    if issubclass(type(value), dict):
        value = list(value.values())
    if depth > 50 or not issubclass(type(value), list | tuple):
        return []
    return [tensor for each in value for tensor in _differentiable(each, depth + 1)]


def _in_a_thread(function: Callable[[], Any]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()
