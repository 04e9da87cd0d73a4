"""One thread as one recorder sees it: its module calls, and the modes that see its ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from modscope.tracer import kernels, modes
from modscope.tracer.backward import Arrivals
from modscope.tracer.functions import Function
from modscope.tracer.ops import Functions, Kernels, OpLog, Pending
from modscope.tracer.places import Place
from modscope.tracer.shared import recursion_room
from modscope.tracer.uncompiled import uncompiled
from modscope.tracer.values import PLAIN_TENSORS, Unknown, describe, name_of

if TYPE_CHECKING:
    from modscope.tracer.recorder import Recorder

NOT_RETURNED = object()
_ROOM = 16  # levels of calls
_FRAMES = 2 * _ROOM  # of ours: a forward that recurses without end shall not go much deeper than it does plainly
_FRAMES_WITH_CARE = 5 * _ROOM
_BOTTOM = 64  # frames of ours below the innermost call
_read = object.__getattribute__
_grad_enabled = torch.is_grad_enabled
_functions_disabled = torch._C._is_torch_function_all_disabled
_graph_task = torch._C._current_graph_task_id

Special = Literal["fusible", "TorchScript"]
# Their forward takes another path where anybody watches torch functions, and gives other bits.
_FUSIBLE = (nn.TransformerEncoder, nn.TransformerEncoderLayer, nn.MultiheadAttention)


class Running:
    """One module call: runs, or ran. There is one for every call: setting attributes is half a constructor's price."""

    number: int  # given when the records are built
    module: int  # number in the capture
    parent: Running | None
    depth: int
    thread: int
    inputs: tuple[Any, ...]  # args, then kwargs
    names: tuple[str, ...] = ()  # of the kwargs
    outputs: Any = NOT_RETURNED
    training: bool
    grad: bool
    during_backward: bool
    error: str | None = None
    opaque: str | None = None
    place: Place | None = None  # where in the user's code it was called, once an op has asked
    arrivals: Arrivals | None = None


class Watch:
    """`below` is the recorder in whose forward this one runs; `original` what module calls come down to."""

    def __init__(
        self,
        recorder: Recorder,
        thread: int,
        outside: Running | None,
        below: Watch | None,
        original: Callable[..., Any],
    ) -> None:
        self.recorder = recorder
        self.below = below
        self._original = original
        self._thread = thread
        self._modules = recorder.captured.modules
        self._refer = recorder.tensors.refer
        self._special = recorder.special
        self._backward = recorder.backward
        self._rows: list[Running] = recorder.calls
        self._log = OpLog(recorder, outside)
        self._functions: Functions | None = None
        self._kernels: kernels.LooseKernels | None = None
        if recorder.recorded.dispatch:
            self._functions = both = kernels.AllFunctions(self._log)
            self._kernels = both.kernels
        elif recorder.recorded.ops:
            self._functions = Functions(self._log)

    @property
    def running(self) -> Running | None:
        """The innermost call of this thread."""
        return self._log.running

    def start(self) -> None:
        """See the ops of this thread."""
        if self._functions is not None:
            torch._C._push_on_torch_function_stack(self._functions)
        if self._kernels is not None:
            modes.push_dispatch_mode(self._kernels)

    def stop(self) -> None:
        """See them no longer, and take back what an interrupt left. May be called again."""
        if self._functions is not None:
            modes.remove(self._functions)
        if self._kernels is not None:
            modes.remove_dispatch_mode(self._kernels)
        recursion_room.need(self, 0)

    @uncompiled
    def call(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one module call and write it down."""
        log = self._log
        outside = log.running
        row = log.running = self._begin(module, args, kwargs, outside)
        try:
            if self.below is not None or row.module in self._special or row.during_backward:
                output = self._with_care(row, module, args, kwargs)
            else:
                output = self._original(module, *args, **kwargs) if kwargs else self._original(module, *args)
            try:
                row.outputs = self._refer(output) if type(output) in PLAIN_TENSORS else self._described(output)
            except TypeError:  # its class refuses to be hashed
                row.outputs = self._described(output)
            if self._backward is not None:
                tensors: list[torch.Tensor] = []
                describe(output, tensors.append, opens=False)  # type: ignore[arg-type]
                row.arrivals = self._backward.listen(tensors)
        except BaseException as error:
            row.error = name_of(type(error))
            raise
        finally:
            log.running = outside
            if row.depth % _ROOM == _ROOM - 1:
                self._make_room(row, row.depth // _ROOM)
        return output

    def ran_scripted(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        """A function in TorchScript has run; `dispatch` sees what it ran instead."""
        if self._functions is not None and self._kernels is None and self._sees_functions():
            self._log.ran(function, args, kwargs, output)
            message = f"{function.name}() ran in TorchScript: its inside was not seen"
            self.recorder.note("script", message, None if self.running is None else self.running.module)

    def ran_compiled(self, name: str) -> None:
        """An operator that runs functions has been compiled with them."""
        module = None if self.running is None else self.running.module
        self.recorder.note(
            "higher-order", f"{name}() compiled functions that it was given: calls in there were not seen", module
        )

    def became_differentiable(self, output: Any) -> None:
        """A function with a backward of its own has given this."""
        self._log.marked(output)

    def shared_unseen(self, given: torch.Tensor, made: torch.Tensor) -> None:
        """A tensor was made of another one's memory, and no op has told of it."""
        if self._hears_functions():
            self._log.shared_unseen(given, made)

    def begin_unseen(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Pending | None:
        """An op that writes is about to run, of which torch tells no function mode."""
        unseen = self._kernels is None and self._hears_functions()
        return self._log.begin(self._log.function(func), args, kwargs) if unseen else None

    def finish_unseen(self, pending: Pending, output: Any) -> None:
        """That op has run."""
        self._log.finish(pending, output)

    def _begin(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], outside: Running | None
    ) -> Running:
        number = self._modules.get(id(module))
        if number is None:
            number = self.recorder.meet(module, outside)
        row = Running()
        row.module = number
        row.parent = outside
        row.depth = 0 if outside is None else outside.depth + 1
        row.thread = self._thread
        row.training = _read(module, "__dict__").get("training", True)
        row.grad = _grad_enabled()
        row.during_backward = _graph_task() != -1
        refer = self._refer
        try:
            if len(args) == 1 and type(args[0]) in PLAIN_TENSORS:  # as most calls have it
                row.inputs = (refer(args[0]),)
            else:
                described = self._described
                row.inputs = tuple([refer(each) if type(each) in PLAIN_TENSORS else described(each) for each in args])
        except TypeError:  # a class that refuses to be hashed
            row.inputs = tuple(map(self._described, args))
        if kwargs:
            row.names = tuple(kwargs)
            row.inputs += tuple(map(self._described, kwargs.values()))
        self._rows.append(row)
        if row.depth % _ROOM == _ROOM - 1:
            self._make_room(row, row.depth // _ROOM + 1)
        return row

    def _make_room(self, row: Running, blocks: int) -> None:
        frames = _FRAMES if self.below is None and not row.during_backward else _FRAMES_WITH_CARE
        recursion_room.need(self, blocks and blocks * frames + _BOTTOM)

    def _described(self, value: Any) -> Any:
        try:
            return describe(value, self._refer)
        except Exception as error:  # the model must not suffer for it
            self.recorder.puzzled("what a call received or gave", error)
            return Unknown(name_of(type(value)))

    def _proceed(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        below = self.below
        return self._original(module, *args, **kwargs) if below is None else below.call(module, args, kwargs)

    def _with_care(self, row: Running, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        kind = self._special.get(row.module)
        if row.during_backward and not self._sees_functions():
            return self._seeing_functions(module, args, kwargs)
        if kind == "TorchScript":
            if self._kernels is None:
                row.opaque = "TorchScript"
                self.recorder.note("script", "ran in TorchScript: its inside was not seen", row.module)
            else:
                self.recorder.note("script", "ran in TorchScript: its kernels were seen, and no calls", row.module)
        elif kind == "fusible" and self._functions is not None and _fuses(module, args):
            return self._from_below(row, module, args, kwargs)
        return self._proceed(module, args, kwargs)

    def _sees_functions(self) -> bool:
        return self._functions is None or any(each is self._functions for each in modes.function_modes())

    def _hears_functions(self) -> bool:
        return self._functions is not None and self._sees_functions() and not _functions_disabled()

    def _seeing_functions(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run what checkpointing runs again: torch handles `backward()` then, and keeps modes off meanwhile."""
        assert self._functions is not None
        before = modes.function_modes()
        try:
            modes.set_function_modes([*before, self._functions])
            return self._proceed(module, args, kwargs)
        finally:
            modes.set_function_modes(before)

    def _from_below(self, row: Running, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a call without watching torch functions; what it runs below Python is seen instead."""
        if not self._sees_functions():  # the call around this one runs so already
            return self._proceed(module, args, kwargs)
        before = modes.function_modes()
        self.recorder.note(
            "kernels", "ran as torch's fused kernels: those were seen, and no torch functions", row.module
        )
        try:
            modes.remove(self._functions)
            if torch.is_autocast_enabled("cpu"):  # kernels that are run from Python are cast once more
                row.opaque = "fused"
                return self._unseen(module, args, kwargs)
            if self._kernels is not None:
                return self._proceed(module, args, kwargs)
            # in one line: an interrupt at the end of a longer block would leave the mode on
            with Kernels(self._log): return self._proceed(module, args, kwargs)  # noqa: E701  # fmt: skip
        finally:
            modes.set_function_modes(before)

    def _unseen(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._kernels is None:
            return self._proceed(module, args, kwargs)
        modes.remove_dispatch_mode(self._kernels)
        try:
            return self._proceed(module, args, kwargs)
        finally:
            modes.push_dispatch_mode(self._kernels)


def special(cls: type) -> Special | None:
    """What is special about calls of this class: they may take torch's fused path, or run in TorchScript."""
    if issubclass(cls, _FUSIBLE):
        return "fusible"
    return "TorchScript" if issubclass(cls, torch.jit.ScriptModule) else None


def _fuses(module: nn.Module, args: tuple[Any, ...]) -> bool:
    """Whether torch would take it now, if nobody watched: without gradients, outside training."""
    if module.training or not torch.backends.mha.get_fastpath_enabled():
        return False
    if not torch.is_grad_enabled():
        return True
    tensors = (*args, *nn.Module.parameters(module))
    return not any(issubclass(type(each), torch.Tensor) and each.requires_grad for each in tensors)
