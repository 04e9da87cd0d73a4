"""One run of a tricky module: what came out, what was raised, how the world was before and after."""

from __future__ import annotations

import contextvars
import gc
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.nn.modules import module as module_hooks
from torch.optim import optimizer as optimizer_hooks

import modscope
from tests.residue.bits import bits, unobserved
from tests.residue.cases import Build, Case, build
from tests.residue.modules import left_on, settings_left
from tests.residue.snapshot import Snapshot, beyond_plain, take

Act = Callable[..., Any]


def plain(model: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
    """The twin's run: what would have happened without modscope."""
    return model(*args, **kwargs), None


def eager(model: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
    """The twin's run where there are compiled children."""
    with torch.compiler.set_stance("force_eager"):
        return plain(model, *args, **kwargs)


def traced(model: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
    """trace(): no output to be had."""
    return None, modscope.trace(model, *args, **kwargs)


def recorded(model: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
    """record(): the output is the user's."""
    with modscope.record(model) as recorder:
        output = model(*args, **kwargs)
    return output, recorder.trace


def unfused(model: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
    """The twin's run where watching ops turned a fused path off, and said so."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        return plain(model, *args, **kwargs)
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


@dataclass
class Scene:
    """A case in the hands of a situation, which sets things up and calls `play`."""

    function: Build
    case: Case
    act: Act
    span: tuple[Snapshot, Snapshot] = (Snapshot(), Snapshot())  # before and after
    output: Any = None
    error: Any = None
    warned: list[Any] = field(default_factory=list)
    trace: Any = None
    raised: BaseException | None = None
    complaints: list[str] = field(default_factory=list)  # a situation's own

    @property
    def undoes(self) -> bool:
        """Whether all must be as before afterwards."""
        return self.act not in (plain, eager, unfused, recorded)

    def play(self, act: Act | None = None) -> Any:
        """Run the case once, between two snapshots taken in this thread, by `act` if it is another than the scene's."""
        model, args, kwargs = self.case
        output = None
        before = take(model, (args, kwargs))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            before.facts.update(_filters())
            try:
                output, self.trace = (act or self.act)(model, *args, **kwargs)
            except BaseException as error:
                self.raised = error
                self.trace = _partial(error)
            filters = _filters()
        after = take(model, (args, kwargs), before)
        after.facts.update(filters)
        self.span = before, after
        with unobserved():
            self.output = describe(output)
            self.error = _describe_error(self.raised)
            self.warned = list(map(_told, caught))
        return output


Situation = Callable[[Scene], None]


def perform(function: Build, situation: Situation, act: Act) -> Scene:
    """Build the case and run it by `act` in a situation; the process is put back by force afterwards."""
    with at_home():
        scene = Scene(function, build(function), act)
        situation(scene)
    return scene


def twin_of(scene: Scene, situation: Situation) -> Scene:
    """The same without modscope; what watching is known to turn off, and the trace says so, is off for the twin too."""
    if scene.trace is not None and any(note.kind == "fused" for note in scene.trace.blind_spots):
        return _plainly(scene.function, situation, unfused)
    return _plainly(scene.function, situation, unwatched(scene.function))


def unwatched(function: Build) -> Act:
    """How a case runs without modscope."""
    return eager if hasattr(function, "eager") else plain


# A trace and a recording of one case are compared with one twin.
_plainly = lru_cache(maxsize=1)(perform)


def violations(scene: Scene, situation: Situation) -> list[str]:
    """What a scene did that its plainly run twin did not, or should have undone."""
    twin = twin_of(scene, situation)
    found = beyond_plain(scene.span, twin.span, undone=scene.undoes)
    if scene.error != twin.error:
        found.append(f"raised {scene.error} instead of {twin.error}")
    if scene.act is recorded and scene.output != twin.output:
        found.append(f"the output is not the plain one: {scene.output!r:.300} instead of {twin.output!r:.300}")
    if scene.warned != twin.warned:
        found.append(f"warned {scene.warned} instead of {twin.warned}")
    return found + scene.complaints


def survivors(function: Build, situation: Situation, act: Act) -> tuple[Any, list[str]]:
    """Perform, keep nothing but the trace: it, and the types of the tensors and modules that are still there."""
    gc.freeze()  # from here on the collector knows only what is made now
    try:
        scene = perform(function, situation, act)
        trace = scene.trace
        _forget(scene)
        del scene
        gc.collect()
        alive = (each for each in gc.get_objects() if issubclass(type(each), torch.Tensor | nn.Module))
        return trace, sorted(type(each).__name__ for each in alive)
    finally:
        gc.unfreeze()


def uncollected(function: Build, situation: Situation, act: Act) -> list[str]:
    """Perform, keep nothing: the types of modscope's objects that only the collector would find."""
    _forget(perform(function, situation, act))  # what is remembered of source files stays
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        scene = perform(function, situation, act)
        _forget(scene)
        del scene
        return sorted({type(each).__name__ for each in gc.get_objects() if _is_of_the_tracer(type(each))})
    finally:
        gc.enable()
        gc.unfreeze()


def _is_of_the_tracer(cls: type) -> bool:
    return str(vars(cls).get("__module__")).startswith("modscope.tracer")


def _forget(scene: Scene) -> None:
    error = scene.raised
    while error is not None:
        error.__traceback__ = None
        error = error.__context__
    vars(scene).clear()


def _partial(error: BaseException) -> Any:
    try:
        return modscope.partial_trace(error)
    except modscope.ModscopeError:
        return None


def _filters() -> dict[Any, Any]:
    return {("interpreter", "warnings filters in the call"): tuple(map(repr, warnings.filters))}


def describe(value: Any, depth: int = 0, within: tuple[int, ...] = ()) -> Any:
    """A value as something that can be compared between twins: tensors by bits and by how they hang in the graph."""
    if issubclass(type(value), torch.Tensor):
        graph = type(value.grad_fn).__name__ if value.requires_grad else None
        return bits(value), value.requires_grad, graph
    if value is None or type(value) in (bool, int, float, complex, str, bytes, torch.dtype, torch.device, slice):
        return repr(value)
    if depth > 50 or id(value) in within:
        return "…"
    within = (*within, id(value))
    if issubclass(type(value), dict):
        value = [(key if type(key) is str else type(key).__name__, entry) for key, entry in dict.items(value)]
    elif not issubclass(type(value), list | tuple):
        return type(value).__qualname__ if type(value).__class__ is type else "?"
    sequence = list if issubclass(type(value), list) else tuple
    return type(value).__name__, [describe(each, depth + 1, within) for each in sequence.__iter__(value)]


def _describe_error(error: BaseException | None) -> Any:
    """An exception as its receiver sees it: type, arguments, what led to it, and the user's line it comes from."""
    if error is None or type(error) is RecursionError:  # how deep it was differs by a few frames
        return error and "RecursionError"
    place, raised_at = error.__traceback__, None
    while place is not None:
        code = place.tb_frame.f_code
        if _OURS not in code.co_filename:
            raised_at = code.co_qualname, place.tb_lineno
        place = place.tb_next
    return (
        type(error).__name__,
        describe(error.args),
        raised_at,
        type(error.__cause__).__name__,
        type(error.__context__).__name__,
        error.__suppress_context__,
        getattr(error, "__notes__", None),
    )


def _told(warning: warnings.WarningMessage) -> Any:
    """A warning, and the place it names, where that is not the caller of the model."""
    place = None if warning.filename == __file__ else (warning.filename, warning.lineno)
    return warning.category.__name__, str(warning.message), place


_OURS = str(Path(modscope.__file__).parent)


@contextmanager
def at_home() -> Iterator[None]:
    """Put back what a plain run may leave switched, so that the next scene starts where this one did."""
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        stack.callback(torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled())
        stack.callback(torch.set_float32_matmul_precision, "highest")
        stack.callback(torch.set_printoptions, profile="default")
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        stack.callback(torch.set_anomaly_enabled, torch.is_anomaly_enabled())
        stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        stack.callback(setattr, torch.utils.deterministic, "fill_uninitialized_memory", True)
        stack.callback(sys.setrecursionlimit, sys.getrecursionlimit())
        stack.callback(sys.setswitchinterval, sys.getswitchinterval())
        stack.callback(gc.set_threshold, *gc.get_threshold())
        stack.callback(gc.enable if gc.isenabled() else gc.disable)
        for name, hooks in (*vars(module_hooks).items(), *vars(optimizer_hooks).items()):
            if name.startswith("_global_") and isinstance(hooks, dict):
                stack.callback(hooks.update, dict(hooks))
                stack.callback(hooks.clear)
        stack.callback(_leave_modes, torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack())
        stack.callback(torch.set_autocast_enabled, "cpu", torch.is_autocast_enabled("cpu"))
        stack.callback(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        stack.callback(setattr, torch.nn.functional, "relu", torch.nn.functional.relu)
        stack.callback(lambda: vars(torch.nn.functional).pop("as_it_is", None))
        stack.callback(lambda: "as_it_is" in vars(nn.Module) and delattr(nn.Module, "as_it_is"))
        stack.callback(torch.sparse.check_sparse_tensor_invariants.disable)
        stack.callback(setattr, torch.backends.mkldnn.matmul, "fp32_precision", "none")
        stack.callback(left_on.kept.clear)
        stack.enter_context(_settings())
        stack.callback(
            lambda: [delattr(torch.Tensor, name) for name in set(vars(torch.Tensor)) & {"sigmoid", "__add__"}]
        )
        stack.enter_context(numpy.errstate())
        stack.callback(numpy.random.set_bit_generator, numpy.random.get_bit_generator())
        for owner, name in ((sys, "excepthook"), (threading, "excepthook"), (warnings, "showwarning")):
            stack.callback(setattr, owner, name, getattr(owner, name))
        yield


@contextmanager
def _settings() -> Iterator[None]:
    """Put back what the family of that name leaves."""
    C, before = torch._C, contextvars.copy_context()
    with ExitStack() as stack:
        for owner, name in (
            (torch.__future__, "_overwrite_module_params_on_conversion"),
            (torch.__future__, "_swap_module_params_on_conversion"),
            (torch.distributions.Distribution, "_validate_args"),
            (torch.jit._state._enabled, "enabled"),
            (torch.utils.checkpoint, "_enable_checkpoint_early_stop"),
            (torch.utils.checkpoint, "_checkpoint_debug_enabled"),
        ):
            stack.callback(setattr, owner, name, getattr(owner, name))
        stack.callback(C._set_cublas_allow_fp16_reduced_precision_reduction, True)
        stack.callback(C._set_cublas_allow_bf16_reduced_precision_reduction, True)
        stack.callback(C._set_cpu_allow_fp16_reduced_precision_reduction, False)
        stack.callback(C._set_math_sdp_allow_fp16_bf16_reduction, False)
        stack.callback(C._set_sdp_use_math, True)
        stack.callback(C._set_sdp_use_cudnn, True)
        stack.callback(C._set_sdp_priority_order, C._get_sdp_priority_order())
        stack.callback(C._set_backcompat_broadcast_warn, False)
        stack.callback(C._autograd._saved_tensors_hooks_enable)
        stack.callback(torch.set_flush_denormal, False)
        stack.callback(lambda: [variable.set(value) for variable, value in before.items()])
        stack.callback(settings_left.with_a_default.set, "default")
        stack.callback(settings_left.kept.clear)
        yield
    while forward_ad._current_level >= 0:
        forward_ad.exit_dual_level()


def _leave_modes(height: int, height_below: int) -> None:
    # A default device set inside `with torch.device(...)` leaves that one behind, in a plain run too.
    torch._GLOBAL_DEVICE_CONTEXT.device_context = None
    while torch._C._len_torch_function_stack() > height:
        torch._C._pop_torch_function_stack()
    while torch._C._len_torch_dispatch_stack() > height_below:
        torch._C._pop_torch_dispatch_stack(None)
    while torch._C._autograd._top_saved_tensors_default_hooks(True):
        torch._C._autograd._pop_saved_tensors_default_hooks()
