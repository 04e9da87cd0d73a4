"""Forwards that draw."""

import random
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.residue.modules import Runs, after, never, running


def dropouts() -> Any:
    """Three kinds of dropout."""
    return nn.Sequential(nn.Dropout(), nn.AlphaDropout(), nn.FeatureAlphaDropout()), (torch.randn(2, 3, 4),)


def rrelu() -> Any:
    """Random slopes, with a noise tensor."""
    return nn.Sequential(nn.Linear(3, 3), nn.RReLU()), (torch.randn(2, 3),)


def torch_rand() -> Any:
    """Draws from the default generator."""
    return running(lambda self, x: x + torch.rand(3) + torch.randn_like(x))


def python_random() -> Any:
    """Branches on random.random()."""
    return running(lambda self, x: x * random.random() if random.random() > 0.5 else -x)


def numpy_random() -> Any:
    """Draws from NumPy's global state."""
    return running(lambda self, x: x + torch.from_numpy(numpy.random.rand(2, 3)).float())


def seeds_inside() -> Any:
    """Seeds all three generators in the forward."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        torch.manual_seed(1)
        random.seed(1)
        numpy.random.seed(1)
        return x + torch.rand(3) * random.random() * numpy.random.rand()

    return running(forward)


def text_that_draws() -> Any:
    """`extra_repr` draws from all three generators, and the forward draws after it."""

    class Tries(Runs):
        def extra_repr(self) -> str:
            return f"{torch.rand(1).shape} {random.random() < 2} {numpy.random.rand() < 2}"

    model = Tries(lambda self, x: x + torch.rand(3) * random.random() * numpy.random.rand())
    return model, (torch.randn(2, 3),)


def own_generator() -> Any:
    """Draws from a generator of its own; what is in user objects is not undone."""
    model = Runs(lambda self, x: x + torch.rand(3, generator=self.generator))
    model.generator = torch.Generator().manual_seed(3)
    return model, (torch.randn(2, 3),)


def forked_generator() -> Any:
    """Draws inside fork_rng()."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            noise = torch.rand(3)
        return x + noise + torch.rand(3)

    return running(forward)


def sets_generator_state() -> Any:
    """Puts the generator where it was, twice."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        state = torch.get_rng_state()
        first = torch.rand(3)
        torch.set_rng_state(state)
        return x + first - torch.rand(3)

    return running(forward)


def samples() -> Any:
    """multinomial, bernoulli, normal, Gumbel: an index that depends on chance."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        picked = torch.multinomial(x.softmax(-1), 1)
        return F.gumbel_softmax(x) + torch.bernoulli(torch.full((3,), 0.5)) + x.gather(1, picked) * int(picked[0])

    return running(forward)


def default_generator_replaced() -> Any:
    """Runs the default generator through its own interface."""
    return running(lambda self, x: x + torch.empty(3).uniform_(generator=torch.default_generator))


def distribution() -> Any:
    """Samples through torch.distributions, which checks its arguments by reading tensors."""
    return running(lambda self, x: torch.distributions.Normal(x, x.abs() + 1).rsample())


def numpy_generator_of_another_kind() -> Any:
    """NumPy's global functions draw from it from now on."""
    return after(lambda: numpy.random.set_bit_generator(numpy.random.PCG64(1)))


@never("raising", "interrupted")  # which seed all anew
def numpy_generator_was_of_another_kind() -> Any:
    """NumPy's global functions draw from another one than they usually do."""
    numpy.random.set_bit_generator(numpy.random.PCG64(1))
    return running(lambda self, x: x + float(numpy.random.rand()))
