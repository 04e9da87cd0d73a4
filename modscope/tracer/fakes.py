"""Models larger than the machine: building and running without allocating, on torch's FakeTensorMode."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch._higher_order_ops.utils import registered_hop_fake_fns
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
from torch.utils._pytree import tree_leaves

from modscope.errors import ModscopeError
from modscope.tracer import specs
from modscope.tracer.looking import note_original, storage_of
from modscope.tracer.modes import past_functions
from modscope.tracer.places import kind_of
from modscope.tracer.stand_ins import is_meta, stand_in

# Constructors and masks compute with small tensors and branch on them (`linspace(0, rate, depth).tolist()`): up to
# this many elements they stay real.
SMALL = 4096

_HIGHER: Any = registered_hop_fake_fns
_EXPERTS = torch.ops.aten._grouped_mm.default
_NEEDS_DATA = (DataDependentOutputException, DynamicOutputShapeException)
_REAL = specs.PLAIN | {list, tuple}  # what may be, or hold, a tensor that is not fake
_own = threading.local()


class NeedsData(ModscopeError, RuntimeError):
    """Under `fake()` code asked for a number that no fake tensor has; torch's own error is the cause."""


class CannotBeFake(ModscopeError, RuntimeError):
    """Under `fake()` code ran what torch has no fake for; torch's own error is the cause."""


@contextmanager
def fake() -> Iterator[None]:
    """Build and run models without allocating: tensors made inside have shape, dtype and device, and no numbers.

    Tensors of up to 4096 elements stay real, so that constructors and masks may branch on them. Where code needs a
    number of a fake tensor, NeedsData (a ModscopeError) names the line. Models made inside may be used in later
    blocks of the same thread; models made before, real or on the meta device, may be traced inside.
    """
    with _mode():
        yield


def _mode() -> _Fakes:
    # one for each thread: two modes must not meet in one model, and a mode serves one thread at a time
    if not hasattr(_own, "mode"):
        _own.mode = _Fakes()
    mode: _Fakes = _own.mode
    return mode


class _Fakes(FakeTensorMode):  # type: ignore[no-untyped-call]
    """Torch's mode, but that small real tensors stay real."""

    supports_higher_order_operators = True  # torch.cond and its like: torch looks for a mode of its own class alone

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self._written: dict[int, torch.UntypedStorage] = {}  # real memory whose numbers should be fake by now
        self._imagining = False

    def dispatch(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, torch._ops.HigherOrderOperator):
            if func in _HIGHER:  # torch's mode looks there; the table would lead back here
                return self._imagine(func, types, args, kwargs)
            before, self._imagining = self._imagining, True
            try:
                return func.python_key_table[FakeTensorMode](self, *args, **kwargs)
            finally:
                self._imagining = before
        if torch._C._len_torch_function_stack():  # what torch takes this op apart into is not the model's
            return past_functions(self._run, func, types, args, kwargs)
        return self._run(func, types, args, kwargs)

    def _run(self, func: Any, types: Sequence[type], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if self._imagining:  # torch takes an op apart: all that is made meanwhile is fake
            return super().dispatch(func, types, args, kwargs)
        if any(issubclass(each, FakeTensor) for each in types):
            act = self._imagine_write if _writes(func) else self._imagine
            return act(func, types, args, kwargs)
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        known = sum(tensor.numel() for tensor in given) <= SMALL and not any(map(self._has_no_numbers, given))
        if known and _allocates_nothing(func):
            return func(*args, **kwargs)
        try:
            result = self._imagine(func, types, args, kwargs)
        except NeedsData:
            if not known:
                raise
        else:
            made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            if not known or sum(tensor.numel() for tensor in made) > SMALL or any(map(is_meta, made)):
                return result
        return func(*args, **kwargs)

    def _imagine_write(self, func: Any, types: Sequence[type], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """What has numbers becomes its image, where that is given another shape or other memory."""
        images = [(real, self._faked(real)) for real in self._note_writes(func, args, kwargs) if not is_meta(real)]
        before = [_place(image) for _, image in images]
        result = self._imagine(func, types, args, kwargs)
        for (real, image), place in zip(images, before, strict=True):
            if _place(image) != place:
                real.data = image
        return result

    def _imagine(self, func: Any, types: Sequence[type], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        try:
            # what is all fake torch finds in its cache; real arguments would make it look at every such op anew
            args = [self._faked(each) if type(each) in _REAL else each for each in args]
            self._imagining = True
            if func is _EXPERTS and args[0].dtype == args[1].dtype != torch.bfloat16:
                return self._imagine_experts(types, args, kwargs)
            result = self._answer(func, types, args, kwargs)
        except (UnsupportedOperatorException, UnsupportedFakeTensorException, NotImplementedError) as error:
            raise CannotBeFake(_refusal(func, error, _asking()[0])) from error
        except _NEEDS_DATA as error:
            frame, initialises = _asking()
            if initialises and func is torch.ops.aten._local_scalar_dense.default:
                return False  # draw again while a number is out of bounds: none is
            raise NeedsData(_explanation(func, error, frame)) from error
        finally:
            self._imagining = False
        # torch notes what it made of which meta tensor; that note keeps `model.half()` from swapping a parameter
        notes: Any = self.fake_tensor_converter.meta_converter.tensor_memo
        if notes and notes.get(last := next(reversed(notes.data))) is result:
            del notes[last]
        return result

    def _answer(self, func: Any, types: Sequence[type], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        try:
            return super().dispatch(func, types, args, kwargs)
        except (AssertionError, RuntimeError):  # by `.data =` a fake tensor may have been given memory with numbers
            given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, FakeTensor)]
            memories = [(tensor, storage_of(tensor)) for tensor in given]
            numbered = [tensor for tensor, memory in memories if memory is not None and not is_meta(memory)]
            if not numbered:
                raise
        for tensor in numbered:
            tensor.data = stand_in(tensor, self)
        return super().dispatch(func, types, args, kwargs)

    def _imagine_experts(self, types: Sequence[type], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Without numbers torch multiplies groups of rows in bfloat16 alone; with numbers a CPU does in any dtype."""
        left, right, *rest = args
        result: Any = super().dispatch(_EXPERTS, types, [left.bfloat16(), right.bfloat16(), *rest], kwargs)
        return result.to(kwargs.get("out_dtype") or left.dtype)

    def _faked(self, argument: Any) -> Any:
        if type(argument) in specs.PLAIN:
            # a lazy module's parameter takes a fake tensor's place in memory, and lies on the meta device then
            made: Tensor = stand_in(argument, self) if argument.is_meta else self.from_tensor(argument)
            note_original(made, argument)
            return made
        if type(argument) in (list, tuple) and any(type(each) in specs.PLAIN for each in argument):
            return [self._faked(each) for each in argument]
        return argument

    def _has_no_numbers(self, tensor: Tensor) -> bool:
        memory = storage_of(tensor) if self._written else None
        return tensor.is_meta or (memory is not None and memory._cdata in self._written)

    def _note_writes(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
        for place, argument in enumerate(func._schema.arguments):
            if argument.alias_info is None or not argument.alias_info.is_write:
                continue
            target = args[place] if place < len(args) else kwargs.get(argument.name)
            for tensor in tree_leaves(target):
                if type(tensor) in specs.PLAIN and (memory := storage_of(tensor)) is not None:
                    self._written[memory._cdata] = memory
                    yield tensor


def _place(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.untyped_storage()._cdata, tensor.shape, tensor.stride(), tensor.storage_offset()


@cache
def _allocates_nothing(func: Any) -> bool:
    """Whether it gives back memory of its inputs: a view, or a write in place."""
    returns = func._schema.returns
    return bool(returns) and all(each.alias_info is not None for each in returns)


@cache
def _writes(func: Any) -> bool:
    return bool(func._schema.is_mutable)


def _asking() -> tuple[FrameType, bool]:
    """The user's frame that asks for a number, and whether it does so through torch.nn.init."""
    frame, initialises = sys._getframe(1), False
    while frame.f_back is not None and kind_of(frame.f_code.co_filename) != "user":
        initialises = initialises or frame.f_code.co_filename == nn.init.__file__
        frame = frame.f_back
    return frame, initialises


def _explanation(func: Any, error: Exception, frame: FrameType) -> str:
    name = func._schema.name
    if name == "aten::_local_scalar_dense":
        wish = "the number in a fake tensor (.item(), int(), bool(), `if tensor:`)"
    elif isinstance(error, DataDependentOutputException):
        wish = f"an answer that depends on the numbers in a fake tensor ({name})"
    else:
        wish = f"a tensor whose shape depends on the numbers in a fake one ({name})"
    return (
        f"{frame.f_code.co_filename}:{frame.f_lineno} asks for {wish}; under fake() there are only shapes. "
        "Trace with real inputs outside fake(), on a smaller configuration if need be, or choose a variant without "
        'this branch (for experts in transformers: model.set_experts_implementation("batched_mm")).'
    )


def _refusal(func: Any, error: Exception, frame: FrameType) -> str:
    if isinstance(error, UnsupportedOperatorException):
        reason, remedy = "an operator without a fake implementation", " (torch.library.register_fake gives it one)"
    else:
        reason, remedy = str(error).partition("\n")[0] or "a tensor that cannot be fake", ""
    return (
        f"{frame.f_code.co_filename}:{frame.f_lineno} runs {func._schema.name}, which cannot be done under fake(): "
        f"{reason}{remedy}. Trace with real inputs outside fake(), or show the tree alone: inspect(model), --tree."
    )
