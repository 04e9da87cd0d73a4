"""Looking at a model without running it: what `trace()` pays before the forward, and the records built afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, ResNetConfig, ResNetModel

from modscope.tracer.tree import capture

ROUNDS = 5


def nest(levels: int) -> nn.Module:
    """So many levels, each a module of its own."""
    model = nn.Sequential(nn.Linear(8, 8))
    for _ in range(levels):
        model = nn.Sequential(model)
    return model


def seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return median(times)


def measure(name: str, model: nn.Module, inputs: Any) -> None:
    modules = sum(1 for _ in model.modules())

    def records() -> None:
        captured = capture(model)
        captured.release()
        assert captured.tree.modules

    with torch.no_grad():
        forward = seconds(lambda: model(inputs))
    captured, built = seconds(lambda: capture(model)), seconds(records)
    print(
        f"{name}: {modules} modules, forward {forward * 1e3:.1f} ms, capture {captured / forward:.3f} of it "
        f"({captured / modules * 1e6:.1f} µs a module), with all records {built / forward:.3f}"
    )


if __name__ == "__main__":
    for count in (1_000, 10_000):
        measure(f"{count} Linears", nn.Sequential(*(nn.Linear(8, 8) for _ in range(count))), torch.zeros(2, 8))
    measure("100 levels", nest(100), torch.zeros(2, 8))
    measure("GPT-2 small, 16 tokens", GPT2LMHeadModel(GPT2Config()), torch.zeros(1, 16, dtype=torch.long))
    measure("ResNet-50, 160 px", ResNetModel(ResNetConfig()), torch.zeros(1, 3, 160, 160))
