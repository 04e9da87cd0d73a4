"""Graphs and renderers on GPT-2 and on a long graph: seconds, and as multiples of a plain forward of GPT-2."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

import modscope
from modscope.graph import dataflow, fold
from modscope.renderers import formats


class Wander(nn.Module):
    """Additions that read what came a while before: nothing to fold, many crossing arrows."""

    def __init__(self, ops: int) -> None:
        super().__init__()
        self.picks = torch.randint(1, 20, (ops,), generator=torch.Generator().manual_seed(0)).tolist()

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for pick in self.picks:
            values.append(values[-1] + values[-min(pick, len(values))])
        return values[-1]


def seconds(work: Callable[[], object], rounds: int = 3) -> float:
    times = []
    for _ in range(rounds):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return median(times)


def row(what: str, took: float, plain: float, note: str = "") -> None:
    print(f"{what:<44} {took:8.3f} s  ×{took / plain:7.2f}  {note}")


def gpt2(layers: int) -> GPT2LMHeadModel:
    return GPT2LMHeadModel(GPT2Config(n_layer=layers)).eval()


def main() -> None:
    ids = torch.zeros(1, 16, dtype=torch.long)
    model = gpt2(12)
    plain = seconds(lambda: model(ids))
    row("plain forward of GPT-2 small, 16 tokens", plain, plain)
    traces = {"GPT-2, 12 blocks": modscope.trace(model, ids), "GPT-2, 48 blocks": modscope.trace(gpt2(48), ids)}
    first = perf_counter()
    modscope.render(traces["GPT-2, 12 blocks"], "svg")
    row("first SVG of the process (compiles Graphviz)", perf_counter() - first, plain)
    for name, trace in traces.items():
        for level in ("module", "op"):
            row(f"{name}: dataflow, {level}", seconds(lambda: dataflow(trace, level)), plain)  # noqa: B023
        flow = dataflow(trace)
        row(f"{name}: fold", seconds(lambda: fold(flow, trace)), plain, f"{len(flow)} nodes")  # noqa: B023
        for format in formats():
            took = seconds(lambda: modscope.render(trace, format))  # noqa: B023
            row(f"{name}: {format}", took, plain, f"{len(modscope.render(trace, format)):,} characters")
    wander = modscope.trace(Wander(5000), torch.zeros(1))
    row(
        "5,000 ops without repeats: svg, level op",
        seconds(lambda: modscope.render(wander, "svg", level="op"), 1),
        plain,
    )


if __name__ == "__main__":
    main()
