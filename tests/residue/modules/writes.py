"""Forwards that write: in place, through views, into parameters, inputs and attributes."""

from typing import Any

import torch
from torch import Tensor, nn

from tests.residue.modules import Runs, running


def in_place_after_a_view() -> Any:
    """relu_ through a slice: full backward hooks raise here."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = x * 1
        x[:, 1:].relu_()
        return self.fc(x)

    return running(forward)


def writes_its_input() -> Any:
    """The caller's tensor changes."""

    class Writes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mul_(2)

    return Writes(), (torch.randn(2, 3),)


def item_assignment() -> Any:
    """x[i] = y, by index, slice and mask."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = x * 1
        x[0] = 1
        x[:, 1] = self.fc(x)[:, 1]
        x[x > 0.5] = 0
        return x

    return running(forward)


def out_argument() -> Any:
    """Writes through out=."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        result = torch.empty(2, 3)
        torch.add(x.detach(), 1, out=result)
        return self.fc(result)

    return running(forward)


def parameter_data_written() -> Any:
    """param.data.mul_(): no version bump."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.fc.weight.data.mul_(0.5)
        return self.fc(x)

    return running(forward)


def parameter_data_replaced() -> Any:
    """param.data = other."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.fc.weight.data = self.fc.weight.data * 2
        return self.fc(x)

    return running(forward)


def parameter_written_under_no_grad() -> Any:
    """param.copy_() with a version bump."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.fc.weight.add_(1)
        return self.fc(x)

    return running(forward)


def embedding_with_max_norm() -> Any:
    """Renormalizes its weight while looking up."""
    return nn.Embedding(5, 3, max_norm=0.5), (torch.tensor([[0, 1], [1, 4]]),)


def buffer_written() -> Any:
    """An exponential average, and a pointer into a queue."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.average.mul_(0.9).add_(x.detach().mean(0), alpha=0.1)
        self.queue[int(self.pointer)] = x.detach()[0]
        self.pointer[...] = (self.pointer + 1) % 4
        return x + self.average

    model = Runs(forward)
    model.register_buffer("average", torch.zeros(3))
    model.register_buffer("queue", torch.zeros(4, 3), persistent=False)
    model.register_buffer("pointer", torch.zeros((), dtype=torch.long))
    return model, (torch.randn(2, 3),)


def buffer_bound_anew() -> Any:
    """self.steps = self.steps + 1, with None first elsewhere."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.steps = self.steps + 1
        self.cache = x.detach()
        return x * self.steps

    model = Runs(forward)
    model.register_buffer("steps", torch.zeros(()))
    model.register_buffer("cache", None)
    return model, (torch.randn(2, 3),)


def buffers_that_come_to_require_gradients() -> Any:
    """One is told to; one, and one that is a view, are written with what depends on a parameter."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.scale.requires_grad_()
        self.average.mul_(self.bias.sum())
        self.part.mul_(self.bias)
        return x * self.scale + self.average + self.part

    model = Runs(forward)
    model.bias = nn.Parameter(torch.ones(3))
    model.register_buffer("scale", torch.ones(3))
    model.register_buffer("average", torch.ones(3))
    model.register_buffer("part", torch.ones(4)[1:])
    return model, (torch.randn(2, 3),)


def buffer_data_replaced() -> Any:
    """buffer.data = other: same object, other memory."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.scale.data = self.scale.data + 1
        return x * self.scale

    model = Runs(forward)
    model.register_buffer("scale", torch.ones(3))
    return model, (torch.randn(2, 3),)


def buffers_of_one_number_or_negated() -> Any:
    """An expanded one is one number in memory; a negated view keeps the opposite of its values there."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.one.add_(1)
        self.negated.add_(5)
        return x + self.expanded

    model, inputs = running(forward)
    model.one = torch.zeros(1)
    model.register_buffer("expanded", model.one.expand(3))
    model.register_buffer("negated", torch._neg_view(torch.ones(3)))
    return model, inputs


def buffer_resized() -> Any:
    """A buffer that grows in place."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.seen.resize_(self.seen.numel() + 1)[-1] = 1
        return x * self.seen.sum()

    model = Runs(forward)
    model.register_buffer("seen", torch.ones(1))
    return model, (torch.randn(2, 3),)


def buffer_set_to_other_memory() -> Any:
    """buffer.set_(other)."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.table.set_(torch.full((3,), 2.0))
        return x * self.table

    model = Runs(forward)
    model.register_buffer("table", torch.ones(3))
    return model, (torch.randn(2, 3),)


def buffer_memory_let_go() -> Any:
    """The memory of a buffer is there only while it is needed, as in sharding."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.table.untyped_storage().resize_(12)
        x = x * self.table.fill_(2).sum().item()  # a tensor would be saved for the backward
        self.table.untyped_storage().resize_(0)
        return x

    model = Runs(forward)
    model.register_buffer("table", torch.ones(3))
    model.table.untyped_storage().resize_(0)
    return model, (torch.randn(2, 3),)


def buffer_deleted() -> Any:
    """del self.once."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        once = self.once
        del self.once
        return x * once

    model = Runs(forward)
    model.register_buffer("first", torch.ones(3))
    model.register_buffer("once", torch.ones(3))
    model.register_buffer("last", torch.ones(3))
    return model, (torch.randn(2, 3),)


def parameter_replaced() -> Any:
    """self.weight = nn.Parameter(...) in the forward."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.fc.weight = nn.Parameter(self.fc.weight.detach() * 2)
        return self.fc(x)

    return running(forward)


def attribute_deleted() -> Any:
    """del self.first_time."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        if hasattr(self, "first_time"):
            del self.first_time
        return x

    model = Runs(forward)
    model.first_time = True
    model.after = 1
    return model, (torch.randn(2, 3),)


def attributes_set() -> Any:
    """Counters and caches bound on the module."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.calls += 1
        self.last = x
        self.fc.seen = tuple(x.shape)
        return x

    model = Runs(forward)
    model.calls = 0
    return model, (torch.randn(2, 3),)


def history_in_a_list() -> Any:
    """Appends to a plain list and counts in a plain dict: what is inside user objects stays."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.history.append(float(x.sum()))
        self.counts["calls"] = self.counts.get("calls", 0) + 1
        return x

    model = Runs(forward)
    model.history, model.counts = [], {}
    return model, (torch.randn(2, 3),)


def tensor_attribute_written() -> Any:
    """A plain tensor attribute, written in place and through a view."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.memory[0] += 1
        self.memory.view(-1)[1:].mul_(2)
        return x * self.memory

    model = Runs(forward)
    model.memory = torch.ones(3)
    return model, (torch.randn(2, 3),)


class _Counter:
    count = 0

    def up(self) -> int:
        self.count += 1
        return self.count


def user_object_changed() -> Any:
    """A counter in an object of the user's."""
    model = Runs(lambda self, x: x * self.counter.up())
    model.counter = _Counter()
    return model, (torch.randn(2, 3),)


def requires_grad_switched() -> Any:
    """Freezes a parameter in the forward."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.fc.bias.requires_grad_(False)
        return self.fc(x)

    return running(forward)


def moved_in_forward() -> Any:
    """self.double() in the forward replaces the data of all parameters and buffers."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.norm.double()
        return self.norm(x.double())

    model = Runs(forward)
    model.norm = nn.BatchNorm1d(3)
    return model, (torch.randn(2, 3),)


def writes_through_numpy() -> Any:
    """Writes a buffer behind torch's back."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.table.numpy()[0] = 5
        return x * self.table

    model = Runs(forward)
    model.register_buffer("table", torch.ones(3))
    return model, (torch.randn(2, 3),)


def state_loaded_in_forward() -> Any:
    """load_state_dict writes parameters and buffers."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.norm.load_state_dict({name: value + 1 for name, value in self.norm.state_dict().items()})
        return self.norm(x)

    model = Runs(forward)
    model.norm = nn.BatchNorm1d(3)
    return model, (torch.randn(2, 3),)
