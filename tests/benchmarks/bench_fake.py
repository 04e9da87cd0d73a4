"""Models larger than the machine, from their configurations: build, one forward bare, one forward traced."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import modscope

ROUNDS = 3


def llama_405b() -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        hidden_size=16_384,
        intermediate_size=53_248,
        num_hidden_layers=126,
        num_attention_heads=128,
        num_key_value_heads=8,
        vocab_size=128_256,
        max_position_embeddings=131_072,
        dtype="bfloat16",
    )


def deepseek_v3_671b() -> Any:
    from transformers import DeepseekV3Config

    # the loop over experts branches on data; the batched form does the same without
    return DeepseekV3Config(dtype="bfloat16", experts_implementation="batched_mm")


CONFIGS = {"llama-3.1-405b": llama_405b, "deepseek-v3-671b": deepseek_v3_671b}


def seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(name: str) -> None:
    from transformers import AutoModelForCausalLM

    config = CONFIGS[name]()
    with modscope.fake():
        model = AutoModelForCausalLM.from_config(config).eval()
        ids = torch.zeros(1, 128, dtype=torch.long)
        trace = modscope.trace(model, ids)
    took = time.process_time()  # of this process: imports, too
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    print(f"{name}: {trace.tree.total_params / 1e9:.1f}e9 parameters, {len(trace.calls)} calls, {len(trace.ops)} ops")
    print(f"  imports, build and trace {took:.1f} s of CPU time, peak {peak:.0f} MiB")
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        bare_model = AutoModelForCausalLM.from_config(config).eval()
        bare_ids = torch.zeros(1, 128, dtype=torch.long)
    bare, traced = [], []
    for _ in range(ROUNDS):
        with mode:
            bare.append(seconds(lambda: bare_model(bare_ids)))
        with modscope.fake():
            traced.append(seconds(lambda: modscope.trace(model, ids)))
    ratio = statistics.median(traced) / statistics.median(bare)
    print(f"  bare fake forward {statistics.median(bare):.2f} s, traced {ratio:.2f} times that")


if __name__ == "__main__":
    if sys.argv[1:]:
        measure(sys.argv[1])
    else:
        for each in CONFIGS:
            subprocess.run([sys.executable, "-m", "tests.benchmarks.bench_fake", each], check=True)
