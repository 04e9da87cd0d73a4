"""Children that are no plain Python modules."""

import warnings
from typing import Any

import torch
from torch import Tensor, fx, nn

from tests.residue.modules import Runs, eager, never, only


class _Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.fc(x)).relu()


def _around(child: nn.Module) -> Any:
    model = Runs(lambda self, x: self.child(x) + 1)
    model.child = child
    return model, (torch.randn(2, 3),)


def scripted_child() -> Any:
    """A ScriptModule with statistics."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _around(torch.jit.script(_Small()))


def scripted_root() -> Any:
    """The root is a ScriptModule."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(_Small()), (torch.randn(2, 3),)


def traced_child() -> Any:
    """A TopLevelTracedModule."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _around(torch.jit.trace(_Small().eval(), torch.randn(2, 3)))


def frozen_child() -> Any:
    """A frozen ScriptModule: parameters became constants."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _around(torch.jit.freeze(torch.jit.script(_Small().eval())))


def symbolic_child() -> Any:
    """An fx.GraphModule: its forward is generated code without a file."""
    return _around(fx.symbolic_trace(_Small()))


@only("normal", "raising")
def exported_child() -> Any:
    """What torch.export made."""
    program = torch.export.export(_Small().eval(), (torch.randn(2, 3),))
    return _around(program.module())


def quantized_child() -> Any:
    """Dynamic quantization: packed parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _around(torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(3, 3)), {nn.Linear}, torch.qint8))


def data_parallel() -> Any:
    """DataParallel without GPUs calls its module."""
    return nn.DataParallel(_Small()), (torch.randn(2, 3),)


@eager
@only("normal", "raising", "threaded", "two_at_once")
def compiled_child() -> Any:
    """torch.compile on a child, backend eager; not compiled yet."""
    return _around(torch.compile(_Small(), backend="eager"))


@eager
@only("normal", "raising")
def compiled_in_place() -> Any:
    """module.compile()."""
    child = _Small()
    child.compile(backend="eager")
    return _around(child)


@eager
@only("normal")
def compiled_root() -> Any:
    """The root is an OptimizedModule."""
    return torch.compile(_Small(), backend="eager"), (torch.randn(2, 3),)


@eager
@only("normal")
def compiled_before() -> Any:
    """A child that was compiled and has run."""
    child = torch.compile(_Small(), backend="eager")
    child(torch.randn(2, 3))
    return _around(child)


def script_function() -> Any:
    """A scripted function, not a module."""

    def forward(x: Tensor) -> Tensor:
        return x * 2 + 1

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        function = torch.jit.script(forward)
    model = Runs(lambda self, x: function(x))
    return model, (torch.randn(2, 3),)


class _JitTraces(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.jit.trace(self.fc, x.detach(), check_trace=False)(x)


def traces_in_forward() -> Any:
    """torch.jit.trace within the forward."""
    return _JitTraces(), (torch.randn(2, 3),)


class _SymbolicTraces(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = _Small()

    def forward(self, x: Tensor) -> Tensor:
        return fx.symbolic_trace(self.block)(x)


@never("bystander")  # fx replaces nn.Module.__call__ for all threads while it looks
def symbolic_in_forward() -> Any:
    """fx.symbolic_trace within the forward: modules are called with proxies."""
    return _SymbolicTraces(), (torch.randn(2, 3),)
