"""Forwards that change the tree they are part of."""

import copy
import pickle
from typing import Any

import torch
from torch import Tensor, nn

from tests.residue.modules import Runs, running


def registers_a_module() -> Any:
    """Makes a layer on first use and keeps it."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        if "late" not in self._modules:
            self.late = nn.Linear(3, 3)
        return self.late(x)

    return running(forward)


def registers_tensors() -> Any:
    """Registers a buffer and a parameter on first use."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.register_buffer("positions", torch.arange(3.0), persistent=False)
        self.register_parameter("scale", nn.Parameter(torch.ones(3)))
        return x * self.scale + self.positions

    return running(forward)


def makes_a_module() -> Any:
    """A fresh layer in every call, not kept."""
    return running(lambda self, x: nn.Linear(3, 2)(x))


def replaces_a_child() -> Any:
    """The child that ran is not the child that stays."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.fc = nn.Sequential(self.fc, nn.ReLU())
        return self.fc(x)

    return running(forward)


def replaces_its_namespace() -> Any:
    """Another dict than before holds the attributes."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.__dict__ = {**self.__dict__, "count": 1}
        return self.fc(x)

    return running(forward)


def removes_a_child() -> Any:
    """del self.fc, between others."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        del self.middle
        return self.last(x)

    model = Runs(forward)
    model.middle = nn.ReLU()
    model.last = nn.ReLU()
    return model, (torch.randn(2, 3),)


def grows_a_module_list() -> Any:
    """append() on a ModuleList in the forward."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.layers.append(nn.Linear(3, 3))
        for layer in self.layers:
            x = layer(x)
        return x

    model = Runs(forward)
    model.layers = nn.ModuleList()
    return model, (torch.randn(2, 3),)


def reorders_children() -> Any:
    """move_to_end() on the children's dictionary."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self._modules["fc"] = self._modules.pop("fc")
        return x

    model = Runs(forward)
    model.last = nn.ReLU()
    return model, (torch.randn(2, 3),)


def switches_train_flags() -> Any:
    """eval() within, train() after: but not for the one that was in eval before."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.eval()
        x = self.drop(self.frozen(x))
        self.train()
        return x

    model = Runs(forward)
    model.drop, model.frozen = nn.Dropout(), nn.BatchNorm1d(3).eval()
    return model, (torch.randn(2, 3),)


def leaves_in_eval() -> Any:
    """Switches to eval and stays there."""
    return running(lambda self, x: self.eval().fc(x))


def adds_hooks() -> Any:
    """Registers a forward hook on a child and on itself in every call."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.fc.register_forward_hook(lambda module, args, output: output * 2)
        self.register_forward_pre_hook(lambda module, args: None)
        self.fc.register_full_backward_hook(lambda module, arrived, left: None)
        return self.fc(x)

    return running(forward)


def hook_changes_output() -> Any:
    """Forward hook and pre-hook of the user's, with kwargs."""
    model, inputs = running(lambda self, x: x * 2)
    model.fc.register_forward_hook(lambda module, args, kwargs, output: output + 1, with_kwargs=True)
    model.fc.register_forward_pre_hook(lambda module, args, kwargs: ((args[0] * 2,), kwargs), with_kwargs=True)
    return model, inputs


def hook_removes_itself() -> Any:
    """A hook for one call."""
    model, inputs = running(lambda self, x: x * 2)
    handle = model.fc.register_forward_hook(lambda module, args, output: handle.remove())
    return model, inputs


def hook_raises() -> Any:
    """The exception comes from a hook."""

    def fail(module: nn.Module, args: Any) -> None:
        raise ValueError("from a hook")

    model, inputs = running(lambda self, x: x * 2)
    model.fc.register_forward_pre_hook(fail)
    return model, inputs


def hook_always_called() -> Any:
    """always_call=True while the forward raises: torch calls it on the way out."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        raise ValueError("after the child")

    model, inputs = running(forward)
    model.register_forward_hook(lambda module, args, output: None, always_call=True)
    return model, inputs


def backward_hooks() -> Any:
    """Full backward hooks and a backward pre-hook of the user's."""
    model, inputs = running(lambda self, x: x * 2)
    model.fc.register_full_backward_hook(lambda module, arrived, left: None)
    model.fc.register_full_backward_pre_hook(lambda module, gradient: None)
    return model, inputs


def forward_bound_on_the_instance() -> Any:
    """self.forward was replaced, as accelerate does."""
    model, inputs = running(lambda self, x: x * 2)
    plain = model.fc.forward
    model.fc.forward = lambda x: plain(x) + 1
    return model, inputs


def forward_replaced_in_forward() -> Any:
    """The first call installs the second's forward."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.forward = lambda x: x
        return self(x)

    return running(forward)


class _Grown(Runs):
    pass


def class_changed_in_forward() -> Any:
    """self.__class__ = another, as lazy modules do."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.__class__ = _Grown
        return x

    return running(forward)


def lazy_linear() -> Any:
    """Materializes, changes its class and removes its hooks: reported, not undone."""
    return nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2)), (torch.randn(2, 3),)


def lazy_batch_norm() -> Any:
    """Lazy buffers."""
    return nn.Sequential(nn.LazyConv2d(4, 1), nn.LazyBatchNorm2d()), (torch.randn(2, 3, 4, 4),)


def copies_itself() -> Any:
    """Runs a deep copy of its child."""
    return running(lambda self, x: copy.deepcopy(self.fc)(x))


def copies_itself_whole() -> Any:
    """copy.copy of itself shares the dictionaries' values."""
    return running(lambda self, x: copy.copy(self).fc(x))


def pickles_itself() -> Any:
    """Runs what came back from a pickle."""
    return running(lambda self, x: pickle.loads(pickle.dumps(self.fc))(x))


def swaps_tensors() -> Any:
    """torch.utils.swap_tensors on a buffer."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        torch.utils.swap_tensors(self.scale, torch.full((3,), 2.0))
        return x * self.scale

    model = Runs(forward)
    model.register_buffer("scale", torch.ones(3))
    return model, (torch.randn(2, 3),)


class _ClassCounter(nn.Module):
    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        type(self).calls += 1
        return x + 1


def class_attribute_written() -> Any:
    """Counts on its class."""
    _ClassCounter.calls = 0
    return _ClassCounter(), (torch.randn(2, 3),)


class _Restless(nn.Module):
    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("mask", torch.ones(3), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        type(self).calls += 1
        self.late = nn.ReLU()
        self.training = False
        self.register_buffer("fresh", torch.ones(3), persistent=False)
        self.fc.register_forward_hook(lambda module, args, output: None)
        torch.set_default_dtype(torch.float64)
        with torch.enable_grad():
            self.fc(x.detach()).sum().backward()
        return self.norm(self.fc(x)) + torch.rand(3) + self.fresh


def changes_everything() -> Any:
    """A class attribute, a flag, a buffer, a hook, a mode, gradients, statistics and a draw."""
    _Restless.calls = 0
    return _Restless(), (torch.randn(2, 3),)


def makes_a_lazy_module() -> Any:
    """A lazy module is made in the forward, and becomes whole there."""
    return running(lambda self, y: nn.LazyLinear(2)(y))
