"""What FLOPs and MACs add to a trace of GPT-2: in new processes, for they are computed cold, medians of their ratios.

python -m tests.benchmarks.bench_costs
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import torch

import modscope
from tests.benchmarks.bench_trace import gpt2

ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def measure() -> None:
    """One line: a trace with its records, and the first one with costs, as ratios to the plain forward."""
    torch.set_num_threads(1)
    model, ids = gpt2()

    def with_costs() -> object:
        with modscope.record(model, costs=True) as recorder:
            model(ids)
        return recorder.trace.calls

    def without() -> object:
        with modscope.record(model) as recorder:
            model(ids)
        return recorder.trace.calls

    without()
    plain = median([seconds(lambda: model(ids)) for _ in range(7)])
    print(seconds(without) / plain, seconds(with_costs) / plain)


if __name__ == "__main__":
    if sys.argv[1:] == ["once"]:
        measure()
    else:
        command = [sys.executable, "-m", "tests.benchmarks.bench_costs", "once"]
        lines = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(ROUNDS)]
        without, with_costs = zip(*([float(each) for each in line.split()] for line in lines), strict=True)
        added = median(b - a for a, b in zip(without, with_costs, strict=True))
        print(f"GPT-2 small, 16 tokens: recorded ×{median(without):.2f}, with costs ×{median(with_costs):.2f}")
        print(f"  costs add {added:.2f} of a forward, cold")
