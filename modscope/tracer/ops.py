"""Torch functions -> op rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from sys import _getframe
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from modscope.tracer.functions import Function
from modscope.tracer.modes import past_functions
from modscope.tracer.opened import ATOMS
from modscope.tracer.places import Place, locate
from modscope.tracer.refs import Ref
from modscope.tracer.uncompiled import uncompiled
from modscope.tracer.values import PLAIN_TENSORS, describe, refs

if TYPE_CHECKING:
    from modscope.tracer.recorder import Recorder
    from modscope.tracer.watch import Running


UNSEEN = "ran functions that it was given: the ops in there were not seen"


class OpRow(NamedTuple):
    """One op that ran."""

    number: int
    call: Running | None
    function: Function
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: Any
    written: tuple[Ref, ...]  # what was written in place, as it was before
    scalar: Any  # what an escape returned
    place: Place | None
    owner: CodeType | None
    bypassed: int | None  # the module whose forward that is, where it was called past its `__call__`


Inputs = tuple[tuple[Any, ...], Mapping[str, Any]]
_NONE: Mapping[str, Any] = {}
_make_row: Any = tuple.__new__


class Pending(NamedTuple):
    """An op that writes, or lets a number out, before it runs."""

    function: Function
    inputs: Inputs
    targets: list[Tensor]
    written: tuple[Ref, ...]


class OpLog:
    """Writes down the ops of one thread. Whatever goes wrong here is noted, and never reaches the model."""

    def __init__(self, recorder: Recorder, outside: Running | None) -> None:
        self.recorder = recorder
        self.running = outside  # the innermost call
        self._tensors = tensors = recorder.tensors
        self._refer = tensors.refer
        self._known = tensors.known
        self._first_seen = tensors.first_seen
        self._rows: list[OpRow] = recorder.ops
        self._numbers = recorder.numbers
        self.functions: dict[Any, Function] = {}
        self._kernels: dict[Any, Function] = {}

    def function(self, func: Any) -> Function:
        """What there is to know of a torch function."""
        try:
            known = self.functions.get(func)
            if known is None:
                known = self.functions[func] = Function(func)
        except TypeError:  # not hashable
            return Function(func)
        return known

    def kernel(self, func: Any) -> Function:
        """The same of an operator that was seen below Python."""
        known = self._kernels.get(func)
        if known is None:
            known = self._kernels[func] = Function(func, kernel=True)
        return known

    def ran(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        """An op has run that writes nothing and lets nothing out."""
        kind = type(output)
        if kind in ATOMS or function.quiet:
            return
        try:
            tensors = self._tensors
            number = next(self._numbers)
            inputs = self._read(args, kwargs)  # first, for an output may be an input
            if kind in PLAIN_TENSORS:
                outputs: Any = tensors.made(output, number)
            else:
                outputs = describe(output, lambda tensor: tensors.made(tensor, number))
                if not any(True for _ in refs(outputs)):
                    return
            if not function.fresh:
                # taken from the end: what was there before is looked at before what is made
                tensors.shared(_tensors_in((output, *kwargs.values(), *args) if kwargs else (output, *args)))
            elif kind not in PLAIN_TENSORS:  # several outputs may share memory
                tensors.shared(_tensors_in((output,)))
            self._write(number, function, inputs, outputs, (), None)
        except Exception as error:
            self.recorder.puzzled(f"an op {function.name!r}", error)

    def begin(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Pending | None:
        """An op is about to run that writes, or lets a number out; None where it turns out to do neither."""
        try:
            targets = list(function.writes(args, kwargs)) if function.writes is not None else []
            if kwargs and (out := kwargs.get("out")) is not None:
                targets += _tensors_in((out,))
            if function.higher:
                module = None if self.running is None else self.running.module
                self.recorder.note("higher-order", f"{function.name}() {UNSEEN}", module)
            told = function.escape or function.fills or (function.differentiates and self.running is not None)
            if not targets and not told:
                return None
            inputs, tensors = self._read(args, kwargs), self._tensors
            if function.rebinds:  # from then on they share memory
                tensors.shared(_tensors_in((*args, *kwargs.values())))
            if function.lends:
                tensors.lend(args[0])
            written = () if function.marks else tuple(map(tensors.before_write, targets))
            return Pending(function, inputs, targets, written)
        except Exception as error:
            self.recorder.puzzled(f"an op {function.name!r}", error)
            return None

    def finish(self, pending: Pending, output: Any) -> None:
        """That op has run."""
        function, inputs, targets, written = pending
        try:
            tensors = self._tensors
            number = next(self._numbers)
            in_a_call = self.running is not None
            for target in targets:
                if function.marks:
                    tensors.marked(target)
                else:
                    tensors.written(target, number, in_a_call, function.rebinds)
            if function.marks and output is None:  # x.requires_grad = True
                return
            outputs = describe(output, lambda tensor: tensors.made(tensor, number))
            if targets and not any(True for _ in refs(outputs)):  # x[0] = y returns nothing, and makes a value of x
                outputs = describe(targets, tensors.refer)
            scalar = output if type(output) in ATOMS else type(output).__name__
            self._write(number, function, inputs, outputs, written, scalar)
        except Exception as error:
            self.recorder.puzzled(f"an op {function.name!r}", error)

    def marked(self, value: Any) -> None:
        """Autograd has made something else of the tensors in a value."""
        try:
            for tensor in _tensors_in((value,)):
                self._tensors.marked(tensor)
        except Exception as error:
            self.recorder.puzzled("what a torch.autograd.Function gave", error)

    def shared_unseen(self, given: Tensor, made: Tensor) -> None:
        """A tensor was made of another one's memory, and no op has told of it."""
        try:
            self._tensors.alias(made, given)
        except Exception as error:
            self.recorder.puzzled("a tensor that was made of another", error)

    def _read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Inputs:
        refer, known, first_seen, positional = self._refer, self._known, self._first_seen, []
        for each in args:
            ref = known.get(id(each))
            # what the recorder keeps alive is itself; most arguments are that, or tensors: it saves a call for each
            if ref is not None and (ref.alive is None or ref.alive() is each):
                current = ref.memory is None or ref.known == ref.memory.version
                positional.append(ref if current else self._tensors.renewed(each, ref))
            elif type(each) in PLAIN_TENSORS:
                positional.append(first_seen(each))
            else:
                positional.append(describe(each, refer))
        return tuple(positional), {name: describe(each, refer) for name, each in kwargs.items()} if kwargs else _NONE

    def _write(
        self, number: int, function: Function, inputs: Inputs, outputs: Any, written: tuple[Ref, ...], scalar: Any
    ) -> None:
        running = self.running
        place, owner, frame = locate(_getframe(3), running)
        bypassed = None if frame is None else self.recorder.module_of(frame)
        row = (number, running, function, *inputs, outputs, written, scalar, place, owner, bypassed)
        self._rows.append(_make_row(OpRow, row))  # past the constructor, which takes twice as long


class Functions(TorchFunctionMode):
    """Sees the torch functions that Python code runs. While it handles one, torch keeps it switched off."""

    def __init__(self, log: OpLog) -> None:
        self._log = log

    @uncompiled
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        log = self._log
        try:
            function = log.functions[func]
        except (KeyError, TypeError):
            function = log.function(func)
        if function.careful or (kwargs and kwargs.get("out") is not None):
            kwargs = kwargs or {}
            pending = log.begin(function, args, kwargs)
            if pending is not None:
                output = func(*args, **kwargs)
                log.finish(pending, output)
                return output
        output = func(*args, **kwargs) if kwargs else func(*args)
        log.ran(function, args, kwargs, output)
        return output


class Kernels(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees what runs below Python: in torch's fused paths, in TorchScript, under vmap."""

    supports_higher_order_operators = True  # torch.cond and its like: one op, else torch refuses to run them

    def __init__(self, log: OpLog) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._log = log

    @uncompiled
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        log = self._log
        function = log.kernel(func)
        pending = log.begin(function, args, kwargs)
        output = past_functions(partial(func, **kwargs), *args)  # or function modes would see what is below them
        if pending is None:
            log.ran(function, args, kwargs, output)
        else:
            log.finish(pending, output)
        return output


def _tensors_in(values: Iterable[Any]) -> list[Tensor]:
    """The tensors among values, and in their lists and tuples."""
    found = []
    stack = [*values]
    while stack:
        each = stack.pop()
        kind = type(each)
        if kind in ATOMS:
            continue
        if kind in PLAIN_TENSORS or issubclass(kind, Tensor):
            found.append(each)
        elif kind in (list, tuple) or kind.__module__ == "torch.return_types":
            stack.extend(each)
    return found
