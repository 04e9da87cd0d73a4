"""trace() against a plain forward: CPU time of one thread, medians of alternating rounds.

    python -m tests.benchmarks.bench_trace [PART OF A NAME]

The plain forward runs as torch does by default, with gradients on, unless the name says otherwise.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import nn

import modscope


class Case(NamedTuple):
    """A model, and what it is called with."""

    name: str
    build: Callable[[], tuple[nn.Module, torch.Tensor]]
    rounds: int
    grad: bool = True


def gpt2() -> tuple[nn.Module, torch.Tensor]:
    """GPT-2 small, 16 tokens."""
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(use_cache=False)).eval(), torch.zeros(1, 16, dtype=torch.long)


def resnet() -> tuple[nn.Module, torch.Tensor]:
    """transformers' default ResNet, which is ResNet-50, at 160 px."""
    from transformers import ResNetConfig, ResNetForImageClassification

    return ResNetForImageClassification(ResNetConfig()).eval(), torch.randn(1, 3, 160, 160)


def chain(count: int, depth: int = 0) -> tuple[nn.Module, torch.Tensor]:
    """So many Linears one after the other, so many levels down."""
    model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(count)))
    for _ in range(depth):
        model = nn.Sequential(model)
    return model, torch.randn(4, 8)


def cases() -> Iterator[Case]:
    """All that is measured."""
    yield Case("GPT-2 small, 16 tokens", gpt2, 21)
    yield Case("ResNet-50, 160 px", resnet, 15)
    for count, rounds in ((1_000, 31), (10_000, 7), (100_000, 3)):
        yield Case(f"{count:,} Linear(8, 8)", partial(chain, count), rounds)
    yield Case("10,000 Linear(8, 8), no_grad", partial(chain, 10_000), 7, grad=False)
    for depth in (1, 50, 500):
        yield Case(f"1,000 Linear(8, 8), {depth} levels down", partial(chain, 1_000, depth), 31)


def alternate(plain: Callable[[], Any], rivals: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each, a plain run before each of them; the first round is for warming up."""
    taken: dict[str, list[float]] = {"plain": [], **{rival: [] for rival in rivals}}
    for _ in range(rounds + 1):
        for rival, work in rivals.items():
            taken["plain"].append(seconds(plain))
            taken[rival].append(seconds(work))
    return {name: median(times[len(times) // (rounds + 1) :]) for name, times in taken.items()}


def seconds(work: Callable[[], Any]) -> float:
    """CPU time of it, and of what it leaves to be freed."""
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(case: Case) -> None:
    """Print one line."""
    model, given = case.build()

    def with_tree() -> object:
        trace = modscope.trace(model, given)
        return trace.calls, trace.tree.modules

    rivals = {
        "trace()": lambda: modscope.trace(model, given),
        "with records": lambda: modscope.trace(model, given).calls,
        "and the tree's": with_tree,
    }
    with nullcontext() if case.grad else torch.no_grad():
        taken = alternate(lambda: model(given), rivals, case.rounds)
    plain = taken.pop("plain")
    ratios = "  ".join(f"{rival} ×{each / plain:.2f}" for rival, each in taken.items())
    print(f"{case.name:40} plain {plain * 1000:7.1f} ms   {ratios}", flush=True)


def main() -> None:
    """Measure what is asked for."""
    sys.setrecursionlimit(10_000)
    torch.set_num_threads(1)
    wanted = " ".join(sys.argv[1:])
    for case in cases():
        if wanted in case.name:
            measure(case)


if __name__ == "__main__":
    main()
