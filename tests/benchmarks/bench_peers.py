"""trace() beside torchinfo, torchview and torchlens: ratios to the plain forward. `make bench-peers` runs it.

Each pair of a model and a tool has a process of its own and three minutes; what does not end in that time is said to be
over it. They see different things: torchinfo modules and shapes, torchview a graph, torchlens every activation.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

import modscope
from tests.benchmarks.bench_trace import Case, alternate, chain, gpt2, resnet

LIMIT = 180  # seconds of wall time for one tool on one model, imports and warming up included

CASES = {
    case.name: case
    for case in (
        Case("GPT-2 small, 16 tokens", gpt2, 5),
        Case("ResNet-50, 160 px", resnet, 5),
        Case("1,000 Linear(8, 8)", partial(chain, 1_000), 3),
        Case("10,000 Linear(8, 8)", partial(chain, 10_000), 1),
    )
}


def with_modscope(model: Any, given: Any) -> object:
    """Calls, ops and source lines, with all records built."""
    return modscope.trace(model, given).calls


def with_torchinfo(model: Any, given: Any) -> object:
    """Modules and shapes."""
    import torchinfo

    return torchinfo.summary(model, input_data=(given,), verbose=0)


def with_torchview(model: Any, given: Any) -> object:
    """A graph of modules and functions."""
    import torchview

    return torchview.draw_graph(model, input_data=(given,), mode="eval")


def with_torchlens(model: Any, given: Any) -> object:
    """A log of all ops with their activations."""
    import torchlens

    return torchlens.trace(model, given)


TOOLS: dict[str, Callable[[Any, Any], object]] = {
    "modscope": with_modscope,
    "torchinfo": with_torchinfo,
    "torchview": with_torchview,
    "torchlens": with_torchlens,
}


def measure(case: Case, tool: str) -> None:
    """Print the ratio."""
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(10_000)
    torch.set_num_threads(1)
    model, given = case.build()
    taken = alternate(lambda: model(given), {tool: lambda: TOOLS[tool](model, given)}, case.rounds)
    print(f"×{taken[tool] / taken['plain']:.2f}")


def in_own_process(case: str, tool: str) -> str:
    """The ratio, or why there is none."""
    command = [sys.executable, "-m", __spec__.name, case, tool]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return f"over {LIMIT} s"
    if ended.returncode < 0:
        return f"signal {-ended.returncode}"
    last = (ended.stderr if ended.returncode else ended.stdout).strip().rpartition("\n")[2]
    return last.partition(":")[0]  # of an error, its type


def main() -> None:
    """Print a table."""
    print(f"{'':26}" + "".join(f"{tool:>20}" for tool in TOOLS))
    for case in CASES:
        print(f"{case:26}", end="", flush=True)
        for tool in TOOLS:
            print(f"{in_own_process(case, tool):>20}", end="", flush=True)
        print()


if __name__ == "__main__":
    if sys.argv[1:]:
        measure(CASES[sys.argv[1]], sys.argv[2])
    else:
        main()
