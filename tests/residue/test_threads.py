"""Recordings in several threads at once, in any order of beginning and ending, and one within another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import modscope
from tests.residue.scene import at_home
from tests.residue.snapshot import changes, take


class Net(nn.Module):
    """Runs `step` in the midst of its forward, and changes much: statistics, a draw, a switch, a class, a name."""

    runs = 0

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: Tensor, step: Callable[[], object]) -> Any:
        x = self.norm(x)
        type(self).runs += 1
        self.last = x
        torch.set_default_dtype(torch.float64)
        first = torch.rand(1)
        step()
        return self.norm(x), first, torch.rand(1), torch.get_default_dtype()


class Threads:
    """Two runs of `act`: the first one is in the midst of its forward when the second begins."""

    def __init__(self, act: Callable[..., Any], models: tuple[nn.Module, nn.Module]) -> None:
        self.act, self.models = act, models
        self.x = torch.arange(12.0).view(4, 3)
        self.events = [threading.Event() for _ in range(4)]  # in the midst: first, second; ended: first, second
        self.results: list[Any] = [None, None]

    def run(self, order: str) -> None:
        """`order` names the one that ends first."""
        ends_first = 0 if order == "first" else 1
        threads = [threading.Thread(target=self.one, args=(place, ends_first)) for place in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def one(self, place: int, ends_first: int) -> None:
        if place == 1:
            self.events[0].wait(60)
        try:
            self.results[place] = self.act(self.models[place], self.x, lambda: self.midst(place, ends_first))
        finally:
            self.events[place].set()
            self.events[2 + place].set()

    def midst(self, place: int, ends_first: int) -> None:
        self.events[place].set()
        self.events[1].wait(60)  # both are in the midst
        if place != ends_first:
            self.events[2 + ends_first].wait(60)


@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("shared", [False, True])
def test_two_traces_at_once_leave_nothing(order: str, shared: bool) -> None:
    model = Net()
    threads = Threads(modscope.trace, (model, model if shared else Net()))
    with at_home():
        before = take(nn.ModuleList(threads.models), threads.x)
        threads.run(order)
        left = changes(before, take(nn.ModuleList(threads.models), threads.x, before))
    assert {key: value for key, value in left.items() if not key[1].startswith("model")} == {}
    assert [[call.path for call in trace.calls] for trace in threads.results] == [["", "norm", "norm"]] * 2


@pytest.mark.parametrize("order", ["first", "second"])
def test_the_end_of_one_trace_is_not_seen_in_the_forward_of_another(order: str) -> None:
    drawn: list[Any] = []

    class Tells(Net):
        def forward(self, x: Tensor, step: Callable[[], object]) -> None:
            drawn.append(super().forward(x, step)[1:])

    with at_home():
        torch.manual_seed(0)
        Threads(modscope.trace, (Tells(), Tells())).run(order)
    draws = [float(number) for first, second, dtype in drawn for number in (first, second)]
    assert len(set(draws)) == 4
    assert [dtype for _, _, dtype in drawn] == [torch.float64] * 2


def test_a_trace_within_a_forward_that_is_traced() -> None:
    inner = []

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net()

        def forward(self, x: Tensor) -> Tensor:
            statistics = self.net.norm.running_mean.clone()
            before = torch.get_rng_state()
            inner.append(modscope.trace(self.net, x, lambda: None))
            assert torch.equal(self.net.norm.running_mean, statistics)
            assert torch.equal(torch.get_rng_state(), before)
            return self.net(x, lambda: None)[0]

    model, x = Outer(), torch.arange(12.0).view(4, 3)
    with at_home():
        before = take(model, x)
        trace = modscope.trace(model, x)
        assert changes(before, take(model, x, before)) == {}
    assert [call.path for call in inner[0].calls] == ["", "norm", "norm"]
    assert [call.path for call in trace.calls] == ["", *["net", "net.norm", "net.norm"] * 2]


def test_a_recording_around_a_trace_keeps_its_own_effects() -> None:
    model, x = Net(), torch.arange(12.0).view(4, 3)
    with at_home(), modscope.record(model) as recorder:
        model(x, lambda: None)
        modscope.trace(model, x, lambda: None)
    assert int(model.norm.num_batches_tracked) == 2
    assert len(recorder.trace.runs) == 2


def test_a_thread_that_the_forward_starts_may_trace() -> None:
    seen = []

    class Starts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net()

        def forward(self, x: Tensor) -> Tensor:
            thread = threading.Thread(target=lambda: seen.append(modscope.trace(self.net, x, lambda: None)))
            thread.start()
            thread.join()
            return x

    model, x = Starts(), torch.arange(12.0).view(4, 3)
    with at_home():
        before = take(model, x)
        modscope.trace(model, x)
        assert changes(before, take(model, x, before)) == {}
    assert [call.path for call in seen[0].calls] == ["", "norm", "norm"]
