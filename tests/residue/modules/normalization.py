"""Statistics, power iterations and reparametrized weights: forwards that write what they are registered with."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize


def _image() -> tuple[Tensor]:
    return (torch.randn(2, 3, 4, 4),)


def batch_norm() -> Any:
    """Writes running statistics without a version bump."""
    return nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU(inplace=True)), _image()


def batch_norm_counting_average() -> Any:
    """momentum=None reads the number of batches with .item()."""
    return nn.BatchNorm2d(3, momentum=None), _image()


def batch_norm_without_statistics() -> Any:
    """Buffers that are None."""
    return nn.BatchNorm2d(3, track_running_stats=False), _image()


def instance_norm_with_statistics() -> Any:
    """Running statistics of an InstanceNorm."""
    return nn.InstanceNorm2d(3, affine=True, track_running_stats=True), _image()


def mixed_train_flags() -> Any:
    """A frozen BatchNorm inside a model in training."""
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5), nn.BatchNorm2d(3))
    model[0].eval()
    return model, _image()


def root_in_eval_child_in_training() -> Any:
    """Only one child is in training."""
    model = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3)).eval()
    model[1].train()
    return model, _image()


def spectral_norm_hook() -> Any:
    """The old spectral_norm: a forward pre-hook that writes buffers and binds the weight anew."""
    return torch.nn.utils.spectral_norm(nn.Linear(3, 3)), (torch.randn(2, 3),)


def spectral_norm_parametrization() -> Any:
    """Power iteration runs whenever the weight is read."""
    return parametrizations.spectral_norm(nn.Linear(3, 3)), (torch.randn(2, 3),)


def weight_norm_hook() -> Any:
    """The old weight_norm binds a plain tensor as weight in a pre-hook."""
    return nn.Sequential(torch.nn.utils.weight_norm(nn.Linear(3, 3))), (torch.randn(2, 3),)


def weight_norm_parametrization() -> Any:
    """Reading the weight calls modules."""
    return parametrizations.weight_norm(nn.Linear(3, 3)), (torch.randn(2, 3),)


class _Symmetric(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("reads", torch.zeros(()))

    def forward(self, weight: Tensor) -> Tensor:
        self.reads += 1
        return weight.triu() + weight.triu(1).transpose(-1, -2)


class _ReadsTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)
        parametrize.register_parametrization(self.fc, "weight", _Symmetric())

    def forward(self, x: Tensor) -> Tensor:
        with parametrize.cached():
            x = self.fc(self.fc(x))
        return x @ self.fc.weight


def parametrization_with_a_buffer() -> Any:
    """A parametrization that counts its reads in a buffer, used cached and not."""
    return _ReadsTwice(), (torch.randn(2, 3),)


class _HiddenNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norms = [nn.BatchNorm1d(3)]

    def forward(self, x: Tensor) -> Tensor:
        return self.norms[0](x)


def batch_norm_in_a_plain_list() -> Any:
    """Statistics of a module that named_modules() does not know."""
    return _HiddenNorm(), (torch.randn(4, 3),)


def shared_statistics() -> Any:
    """Two BatchNorms over one buffer."""
    first, second = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    second.running_mean = first.running_mean
    return nn.Sequential(first, second), (torch.randn(4, 3),)


def buffer_that_is_a_view() -> Any:
    """Statistics that live in slices of one flat tensor."""
    flat = torch.zeros(6)
    norm = nn.BatchNorm1d(3)
    norm.running_mean, norm.running_var = flat[:3], flat[3:]
    return norm, (torch.randn(4, 3),)
