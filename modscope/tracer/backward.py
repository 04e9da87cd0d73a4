"""The backward of a recording: which gradients came to each call's outputs and to each parameter.

Hooks on tensors and on the accumulation of parameters see it. Full backward hooks on modules would change what runs:
they raise where a view is written in place, and put nodes of their own into the graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isnan
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils.hooks import RemovableHandle

from modscope.data import CallGradients, Gradient, TensorSpec
from modscope.tracer import specs
from modscope.tracer.modes import past_functions, past_modes
from modscope.tracer.struck import heed
from modscope.tracer.tree import Captured


class Arrivals:
    """The gradients that came to one call's outputs, in flattening order."""

    def __init__(self, outputs: int) -> None:
        self._specs: list[TensorSpec | None] = [None] * outputs

    def hook(self, place: int) -> Any:
        """What notes the gradient of one output. It keeps no tensor alive."""

        def note(gradient: Tensor | None) -> None:
            if gradient is not None:  # an autograd Function of the user's may give none
                self._specs[place] = past_modes(specs.spec, gradient)

        return note

    def record(self) -> CallGradients:
        """What came until now."""
        return CallGradients(tuple(self._specs))


class Backward:
    """The hooks of one recording, all of them removed at its end."""

    def __init__(self, captured: Captured) -> None:
        self._captured = captured
        self._handles: list[RemovableHandle] = []
        self._seen: dict[int, tuple[Tensor, ...]] = {}  # by number of the tensor: nonzero, finite, norm
        self._frozen: dict[int, tuple[Tensor, Tensor | None]] = {}  # by number: with its gradient
        self.gradients: dict[int, Gradient] = {}

    def start(self) -> None:
        """Listen to every parameter that takes part in training."""
        past_functions(self._listen_to_parameters)

    def _listen_to_parameters(self) -> None:
        for number, tensor in self._captured.parameters():
            if not specs.read(tensor, "is_leaf"):
                continue
            if not specs.read(tensor, "requires_grad"):
                self._frozen[number] = tensor, specs.read(tensor, "grad")
            else:
                hook = self._parameter_hook(number)
                try:
                    self._handles.append(tensor.register_post_accumulate_grad_hook(hook))  # type: ignore[no-untyped-call]
                except Exception:  # a strange tensor: nothing will be known
                    continue
                self.gradients[number] = Gradient(arrived=False)

    def listen(self, outputs: Iterable[Tensor]) -> Arrivals:
        """Note the gradients that will come to these."""
        tensors = list(outputs)
        arrivals = Arrivals(len(tensors))
        for place, tensor in enumerate(tensors):
            past_functions(self._hook, tensor, arrivals.hook(place))
        return arrivals

    def stop(self) -> None:
        """Remove all hooks, and read what they noted. May be called again."""
        for handle in self._handles:
            handle.remove()
        past_functions(self._look_at_thawed)
        for number, (nonzero, finite, norm) in self._seen.items():
            self.gradients[number] = past_functions(_gradient, nonzero, finite, norm)
        self._handles.clear()
        self._seen.clear()
        self._frozen.clear()

    def _look_at_thawed(self) -> None:
        """What was frozen at first could not be listened to: its gradient, if it has one now."""
        for number, (tensor, before) in self._frozen.items():
            gradient = specs.read(tensor, "grad")
            if gradient is not None and gradient is not before:
                self._note(number, gradient)

    def _hook(self, tensor: Tensor, hook: Any) -> None:
        if specs.read(tensor, "requires_grad"):
            try:
                specs.read(tensor, "grad_fn")  # up to date, for a view that was written: else torch ends the process
                self._handles.append(tensor.register_hook(hook))  # type: ignore[no-untyped-call]
            except Exception as error:  # inside a transform of torch.func, which knows no hooks; a strange tensor
                heed(error)

    def _parameter_hook(self, number: int) -> Any:
        def note(parameter: Tensor) -> None:
            self._note(number, parameter.grad)

        return note

    def _note(self, number: int, gradient: Tensor | None) -> None:
        self.gradients[number] = Gradient(arrived=True)
        if gradient is None:  # a hook of the user's has made use of it already
            return
        if issubclass(type(gradient), FakeTensor) or specs.read(gradient, "is_meta"):  # no numbers to look at
            return
        try:
            self._seen[number] = past_modes(_figures, gradient)
        except Exception as error:  # a strange tensor
            heed(error)


def _gradient(nonzero: Tensor, finite: Tensor, norm: Tensor) -> Gradient:
    length = float(norm)
    return Gradient(True, not bool(nonzero), bool(finite), None if isnan(length) else length)


def _figures(gradient: Tensor) -> tuple[Tensor, ...]:
    """Whether anything is not zero, whether all is finite, the norm: as tensors, so that no device is waited for."""
    gradient = gradient.detach()
    values = gradient.coalesce().values() if gradient.layout is torch.sparse_coo else gradient
    wide = values if values.is_complex() or values.dtype is torch.float64 else values.float()
    return values.any(), values.isfinite().all(), torch.linalg.vector_norm(wide)
