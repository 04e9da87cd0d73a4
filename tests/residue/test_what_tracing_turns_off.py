"""What watching ops may change of a run, and how to keep it as it is."""

from __future__ import annotations

import gc
import subprocess
import sys

import torch
from torch import nn

import modscope
from tests.residue.cases import build
from tests.residue.modules.attention import encoder_fused
from tests.residue.oracle import ground_truth, seen
from tests.residue.scene import describe


def test_recording_modules_only_leaves_the_fused_encoder_fused() -> None:
    model, args, _ = build(encoder_fused)
    plain = describe(model(*args))
    with modscope.record(model, ops=False) as recorder:
        output = model(*args)
    assert describe(output) == plain
    assert seen(recorder.trace) == ground_truth(encoder_fused)


def test_objects_frozen_for_the_collector_stay_frozen() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        modscope.trace(nn.Linear(2, 2), torch.zeros(1, 2))
        assert gc.get_freeze_count() > frozen * 0.99
    finally:
        gc.unfreeze()


DISTRIBUTED = """
import tempfile, torch, modscope
from torch import nn
from torch.nn.parallel import DistributedDataParallel

with tempfile.NamedTemporaryFile() as store:
    torch.distributed.init_process_group("gloo", init_method=f"file://{store.name}", rank=0, world_size=1)
    torch.manual_seed(0)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))
    x = torch.randn(4, 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trace = modscope.trace(model, x)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [call.path for call in trace.calls] == ["", "module", "module.0", "module.1"], trace.calls
    model(x).sum().backward()
    with modscope.record(model) as recorder:
        model(x).sum().backward()
    assert [call.path for call in recorder.trace.calls] == ["", "module", "module.0", "module.1"]
    assert model.module[0].weight.grad is not None
    torch.distributed.destroy_process_group()
"""


def test_distributed_data_parallel_in_one_process_is_traced_whole() -> None:
    done = subprocess.run([sys.executable, "-c", DISTRIBUTED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
