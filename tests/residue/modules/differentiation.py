"""Forwards that differentiate, transform or checkpoint."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from tests.residue.modules import Runs, running


def gradient_in_forward() -> Any:
    """A force is the gradient of an energy."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            (force,) = torch.autograd.grad(self.fc(point).pow(2).sum(), point, create_graph=True)
        return force

    return running(forward)


def backward_in_forward() -> Any:
    """Fills .grad of its own parameters, one of which had a gradient before."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.enable_grad():
            self.fc(x.detach()).sum().backward()
        return x

    model, inputs = running(forward)
    model.fc.weight.grad = torch.ones(3, 3)
    return model, inputs


def zero_grad_in_forward() -> Any:
    """Drops gradients that were there."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.zero_grad()
        return x

    model, inputs = running(forward)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    return model, inputs


def gradient_zeroed_in_place() -> Any:
    """Writes into a gradient that was there."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.fc.weight.grad.zero_()
        return x

    model, inputs = running(forward)
    model.fc.weight.grad = torch.ones(3, 3)
    return model, inputs


class _Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * 2


def custom_function() -> Any:
    """An autograd Function of the user's own."""
    return running(lambda self, x: _Twice.apply(x))


def checkpoint_reentrant() -> Any:
    """Runs its child again in backward, the old way."""
    return running(lambda self, x: checkpoint(self.fc, x, use_reentrant=True))


def checkpoint_with_dropout() -> Any:
    """Runs its child again in backward with the same draws."""
    model = Runs(lambda self, x: checkpoint(self.drop, x, use_reentrant=False))
    model.drop = nn.Sequential(nn.Linear(3, 3), nn.Dropout())
    return model, (torch.randn(2, 3),)


def checkpoint_and_backward_inside() -> Any:
    """The re-run happens within the forward."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.enable_grad():
            y = checkpoint(self.fc, x.detach().requires_grad_(), use_reentrant=False)
            return torch.autograd.grad(y.sum(), self.fc.weight)[0]

    return running(forward)


def checkpointed_sequential() -> Any:
    """checkpoint_sequential over a list of children."""
    model = Runs(lambda self, x: checkpoint_sequential(self.steps, 2, x, use_reentrant=False))
    model.steps = nn.Sequential(*(nn.Linear(3, 3) for _ in range(4)))
    return model, (torch.randn(2, 3),)


def vmap() -> Any:
    """A child under vmap: it sees batched tensors."""
    return running(lambda self, x: torch.vmap(self.fc)(x))


def vmap_with_randomness() -> Any:
    """Draws that differ along the batch."""
    return running(lambda self, x: torch.vmap(lambda row: row + torch.rand(3), randomness="different")(x))


def functorch_gradient() -> Any:
    """torch.func.grad of a child."""
    return running(lambda self, x: torch.func.grad(lambda point: self.fc(point).sum())(x))


def jacobian() -> Any:
    """jacrev of a child, vmap over grad within."""
    return running(lambda self, x: torch.func.jacrev(self.fc)(x[0]))


def hessian() -> Any:
    """Forward mode over reverse mode."""
    return running(lambda self, x: torch.func.hessian(lambda point: self.fc(point).pow(2).sum())(x[0]))


def forward_mode() -> Any:
    """Dual tensors through a child."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with forward_ad.dual_level():
            return forward_ad.unpack_dual(self.fc(forward_ad.make_dual(x.detach(), torch.ones_like(x)))).tangent

    return running(forward)


def functional_call() -> Any:
    """The child runs with other parameters than its own."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        weights = {name: parameter * 2 for name, parameter in self.fc.named_parameters()}
        return torch.func.functional_call(self.fc, weights, (x,))

    return running(forward)


def ensemble() -> Any:
    """vmap over stacked parameters of two models made from one."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        weights, buffers = torch.func.stack_module_state([self.fc, self.other])
        call = lambda w, b: torch.func.functional_call(self.fc, (w, b), (x,))  # noqa: E731
        return torch.vmap(call)(weights, buffers)

    model = Runs(forward)
    model.other = nn.Linear(3, 3)
    return model, (torch.randn(2, 3),)


def tensor_hooks() -> Any:
    """Hooks on an activation and on a parameter; the latter stays."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        if x.requires_grad:
            x.register_hook(lambda gradient: gradient * 2)
            self.fc.weight.register_hook(lambda gradient: gradient * 3)
        return x * 2

    return running(forward)


def post_accumulate_hook() -> Any:
    """A hook on the accumulated gradient, added in the forward."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.fc.weight.register_post_accumulate_grad_hook(lambda parameter: None)
        return x

    return running(forward)


def parameter_with_hooks() -> Any:
    """Hooks of the user's were there before."""
    model, inputs = running(lambda self, x: x * 2)
    model.fc.weight.register_hook(lambda gradient: gradient * 2)
    model.fc.bias.register_post_accumulate_grad_hook(lambda parameter: None)
    return model, inputs


def saved_tensor_hooks() -> Any:
    """Packs what autograd saves."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
            return self.fc(x).pow(2)

    return running(forward)


def retained_gradient() -> Any:
    """retain_grad() on an activation."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        if x.requires_grad:
            x.retain_grad()
        return x * 2

    return running(forward)


def detached_in_place() -> Any:
    """detach_() cuts the graph."""
    return running(lambda self, x: self.fc(x.detach_()))


def gradient_penalty() -> Any:
    """create_graph=True, and the second derivative in the output."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.fc(x).tanh().sum(), x, create_graph=True)
            return gradient.norm(dim=-1)

    return running(forward)
