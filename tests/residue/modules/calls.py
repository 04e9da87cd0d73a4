"""Who calls whom: recursion, sharing, hidden modules, threads, generators, failures."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from tests.residue.modules import Runs, never, only, running


class _Recursive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x: Tensor, depth: int = 3) -> Tensor:
        return self.fc(x) if depth == 0 else self(x + 1, depth - 1)


def calls_itself() -> Any:
    """self(x) in its own forward."""
    return _Recursive(), (torch.randn(2, 3),)


def shared_child() -> Any:
    """One module under three names, called three times."""
    fc = nn.Linear(3, 3)
    return nn.Sequential(fc, nn.ReLU(), fc, fc), (torch.randn(2, 3),)


def shared_from_several_parents() -> Any:
    """Two parents hold one child."""
    fc = nn.Linear(3, 3)
    return nn.Sequential(nn.Sequential(fc), nn.Sequential(fc, nn.ReLU())), (torch.randn(2, 3),)


def tied_weights() -> Any:
    """Two modules with one parameter."""
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    return nn.Sequential(first, second), (torch.randn(2, 3),)


def in_plain_containers() -> Any:
    """Layers in a list, a tuple, a dict, a deque and nested in all of them."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.table["a"][1](self.pair[0](self.items[0](x))) + self.queue[0](x)

    model = Runs(forward)
    model.items = [nn.Linear(3, 3)]
    model.pair = (nn.Linear(3, 3), None)
    model.table = {"a": [0, nn.Linear(3, 3)]}
    model.queue = deque([nn.Linear(3, 3)])
    return model, (torch.randn(2, 3),)


def in_a_plain_object() -> Any:
    """Layers in a namespace, in a set and in a closure."""
    hidden = nn.Linear(3, 3)
    model = Runs(lambda self, x: hidden(next(iter(self.bag))(self.helper.net(x))))
    model.helper = SimpleNamespace(net=nn.BatchNorm1d(3))
    model.bag = {nn.ReLU()}
    return model, (torch.randn(2, 3),)


def weak_back_reference() -> Any:
    """A child that knows its parent, outside the registry."""

    class Child(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return self.parent[0].fc(x)

    model = Runs(lambda self, x: self.child(x))
    model.child = Child()
    model.child.parent = [model]
    return model, (torch.randn(2, 3),)


def catches_a_child() -> Any:
    """A child raises, the parent goes on with another."""

    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            nn.ReLU()(x)
            raise ValueError("expected")

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        try:
            return self.fails(x)
        except ValueError:
            return self.fc(x)

    model = Runs(forward)
    model.fails = Fails()
    return model, (torch.randn(2, 3),)


class _Deep(nn.Module):
    def __init__(self, depth: int, error: Callable[[], BaseException]) -> None:
        super().__init__()
        self.error = error
        self.norm = nn.BatchNorm1d(3)
        self.child = _Deep(depth - 1, error) if depth else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        if self.child is None:
            raise self.error()
        return self.child(x)


def raises_at_depth() -> Any:
    """An exception from five levels down."""
    return _Deep(5, lambda: ValueError("at depth")), (torch.randn(2, 3),)


def raises_system_exit() -> Any:
    """A BaseException that is no Exception."""
    return _Deep(2, lambda: SystemExit(3)), (torch.randn(2, 3),)


def raises_stop_iteration() -> Any:
    """An exception that generators would turn into another."""
    return _Deep(2, lambda: StopIteration("value")), (torch.randn(2, 3),)


class _SlottedError(Exception):
    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("__"):
            raise TypeError("takes no attributes")
        super().__setattr__(name, value)


def raises_what_takes_no_attributes() -> Any:
    """An exception that nothing can be attached to by name."""
    return _Deep(2, lambda: _SlottedError("slots")), (torch.randn(2, 3),)


def raises_from() -> Any:
    """An exception with a cause and a note."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        try:
            raise KeyError("cause")
        except KeyError as cause:
            error = RuntimeError("effect")
            error.add_note("a note")
            raise error from cause

    return running(forward)


def raises_torch_error() -> Any:
    """Shapes that do not fit."""
    return nn.Sequential(nn.BatchNorm1d(3), nn.Linear(4, 4)), (torch.randn(2, 3),)


@only("normal", "threaded")
@never("oracle")  # how deep it gets depends on the limit
def recursion_error() -> Any:
    """Endless recursion ends in RecursionError."""
    return running(lambda self, x: self(x))


def forward_missing() -> Any:
    """A module without forward."""

    class Nothing(nn.Module):
        pass

    return nn.Sequential(nn.ReLU(), Nothing()), (torch.randn(2, 3),)


def wrong_arguments() -> Any:
    """A child's call is a TypeError before its forward begins."""
    return running(lambda self, x: self.fc())


def call_bound_before() -> Any:
    """Calls a child by a bound __call__ that was taken when the model was made, as torch.compile does."""
    model = Runs(lambda self, x: self.shortcut(x))
    model.shortcut = model.fc.__call__
    return model, (torch.randn(2, 3),)


def bypasses_call() -> Any:
    """child.forward(x)."""
    return running(lambda self, x: self.fc.forward(x))


def output_generator() -> Any:
    """Children run after the forward returned, when somebody iterates; here nobody does."""

    class Lazy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Iterator[Tensor]:
            for row in x:
                yield self.fc(row)

    return Lazy(), (torch.randn(2, 3),)


def generator_between_modules() -> Any:
    """A child returns a generator, the parent consumes it."""

    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Iterator[Tensor]:
            for row in x:
                yield self.fc(row)

    model = Runs(lambda self, x: torch.stack([row + 1 for row in self.rows(x)]))
    model.rows = Rows()
    return model, (torch.randn(2, 3),)


def generator_argument() -> Any:
    """An argument only the model may consume."""

    class Sums(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, rows: Iterator[Tensor], more: Any) -> Tensor:
            return sum(self.fc(row) for row in rows) + sum(more)

    rows = [torch.randn(2, 3) for _ in range(3)]
    return Sums(), ((row for row in rows), map(float, (1, 2)))


def threads_in_forward() -> Any:
    """Children in threads, then again in this one."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        results: list[Any] = []

        def run() -> None:
            try:
                results.append(self.fc(x))
            except RuntimeError as error:
                results.append(error)

        for _ in range(2):
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
        for result in results:
            if isinstance(result, RuntimeError):
                raise result
        return results[0] + results[1] + self.fc(x)

    return running(forward)


def thread_pool_in_forward() -> Any:
    """A pool that lives as long as the forward."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with ThreadPoolExecutor(1) as pool:
            return sum(pool.map(self.fc, [x, x + 1]))

    return running(forward)


def thread_raises_in_forward() -> Any:
    """A child fails in a thread; the parent hears of it."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self.fc, x[:, :2]).result()

    return running(forward)


def coroutines_in_forward() -> Any:
    """An event loop within the forward."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        async def run(scale: int) -> Tensor:
            await asyncio.sleep(0)
            return self.fc(x) * scale

        async def gather() -> list[Tensor]:
            return await asyncio.gather(run(1), run(2))

        loop = asyncio.new_event_loop()
        try:
            return sum(loop.run_until_complete(gather()))
        finally:
            loop.close()

    return running(forward)


def async_forward() -> Any:
    """A child's output is a coroutine; its own child runs when the parent drives it."""

    class Async(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3)

        async def forward(self, x: Tensor) -> Tensor:
            return self.fc(x)

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        try:
            self.child(x).send(None)
        except StopIteration as stop:
            return stop.value
        raise AssertionError("it awaited nothing")

    model = Runs(forward)
    model.child = Async()
    return model, (torch.randn(2, 3),)


def nested_forward_of_another_model() -> Any:
    """Runs a model that is no part of this one."""
    other = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3).eval())
    return running(lambda self, x: other(x))


def branch_on_data() -> Any:
    """Reads tensors to decide: bool, item, tolist, numpy, len, int."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        if x.sum() > 0:
            x = x * x.mean().item()
        for value in x.detach()[0].tolist():
            x = x + value
        return x * float(x.detach().numpy().sum()) + int(x[0, 0]) + len(x)

    return running(forward)


class _Unmasked(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        try:
            return self.inner(x)
        finally:
            self.inner(x)


def calls_in_finally() -> Any:
    """A child raises; another call of it happens while the exception is on its way."""

    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("both times")

    model = _Unmasked()
    model.inner = Fails()
    return model, (torch.randn(2, 3),)
