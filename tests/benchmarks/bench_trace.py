"""trace() against a plain forward: CPU time of one thread, medians of alternating rounds."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

import modscope

Case = tuple[str, nn.Module, tuple[Any, ...], int]  # the last: rounds


def cases() -> Iterator[Case]:
    """Built one after the other, so that only one is in memory."""
    from transformers import GPT2Config, GPT2LMHeadModel, ResNetConfig, ResNetForImageClassification

    gpt2 = GPT2LMHeadModel(GPT2Config(use_cache=False)).eval()
    yield "GPT-2 small, 16 tokens", gpt2, (torch.zeros(1, 16, dtype=torch.long),), 21
    del gpt2
    resnet = ResNetForImageClassification(ResNetConfig()).eval()
    yield "ResNet-50, 160 px", resnet, (torch.randn(1, 3, 160, 160),), 11
    del resnet
    for count in (1_000, 10_000, 100_000):
        yield f"{count:,} Linear(8, 8)", chain(count), (torch.randn(4, 8),), max(3, 70_000 // count)
    for depth in (1, 50, 500):
        yield f"1,000 Linear(8, 8), {depth} levels down", nested(chain(1_000), depth), (torch.randn(4, 8),), 21


def chain(count: int) -> nn.Module:
    return nn.Sequential(*(nn.Linear(8, 8) for _ in range(count)))


def nested(model: nn.Module, depth: int) -> nn.Module:
    for _ in range(depth):
        model = nn.Sequential(model)
    return model


def seconds(work: Callable[[], Any]) -> float:
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(name: str, model: nn.Module, args: tuple[Any, ...], rounds: int) -> None:
    rivals: dict[str, Callable[[], Any]] = {
        "trace()": lambda: modscope.trace(model, *args),
        "with records": lambda: modscope.trace(model, *args).calls,
        "with tree": lambda: (lambda trace: (trace.calls, trace.tree.modules))(modscope.trace(model, *args)),
    }
    try:
        import torchinfo
    except ImportError:
        pass
    else:
        rivals["torchinfo"] = lambda: torchinfo.summary(model, input_data=args, verbose=0)
    plain: list[float] = []
    taken: dict[str, list[float]] = {rival: [] for rival in rivals}
    for _ in range(rounds + 1):
        for rival, work in rivals.items():
            plain.append(seconds(lambda: model(*args)))
            taken[rival].append(seconds(work))
    base = statistics.median(plain[len(rivals) :])
    ratios = "  ".join(f"{rival} ×{statistics.median(times[1:]) / base:.2f}" for rival, times in taken.items())
    print(f"{name:44} plain {base * 1000:8.1f} ms   {ratios}", flush=True)


def main() -> None:
    import sys

    sys.setrecursionlimit(10_000)
    torch.set_num_threads(1)
    wanted = " ".join(sys.argv[1:])
    for case in cases():
        if wanted in case[0]:
            measure(*case)


if __name__ == "__main__":
    main()
