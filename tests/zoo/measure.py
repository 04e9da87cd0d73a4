"""One model type: built, run plainly, traced, and the two compared."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from transformers import AutoConfig, AutoModel, PretrainedConfig
from transformers.utils import logging

import modscope
from modscope.data import Call
from tests.residue.snapshot import KEPT, changes, take
from tests.zoo import truth
from tests.zoo.inputs import attempts
from tests.zoo.shrink import shrunk

MOST_PARAMETERS = 400_000_000
SEED = 7


@dataclass
class Result:
    """One row of the table. `why` names the first thing that is not as it should be."""

    name: str
    ran: str = "no"  # "yes", "no" where it does not run plainly either, "FAILED" where only the trace fails
    parameters: int = 0
    calls: int = 0
    totals_wrong: int = 0
    calls_missed: int = 0
    shapes_wrong: int = 0
    altered: int = 0
    residue: int = 0
    ratio: float = 0.0
    why: str = ""


def measure(name: str, timed: bool = True) -> Result:
    """Shrunk, with real numbers."""
    result = Result(name)
    found = _that_runs(name, result)
    if found is None:
        return result
    model, inputs = found
    try:
        _compare(model, inputs, result)
        if timed:
            result.ratio = statistics.median(
                seconds(lambda: modscope.trace(model, **inputs)) / seconds(lambda: model(**inputs)) for _ in range(3)
            )
        result.ran = "yes"
    except Exception as error:
        result.ran, result.why = "FAILED", _text(error)
    return result


def measure_full_size(name: str) -> Result:
    """From the default configuration, without allocating."""
    result = Result(name)
    try:
        with torch.device("meta"):
            _build(AutoConfig.for_model(name))
    except Exception as error:  # transformers itself cannot build it here
        result.why = _text(error)
        return result
    try:
        with modscope.fake():
            model = _build(AutoConfig.for_model(name))
            if hasattr(model, "set_experts_implementation"):
                model.set_experts_implementation("batched_mm")  # the loop over experts branches on data
            inputs = _that_fit(model, result)
            if inputs is None:
                return result
            plain = seconds(lambda: model(**inputs))
            trace = modscope.trace(model, **inputs)
            result.ratio = seconds(lambda: modscope.trace(model, **inputs)) / plain
    except Exception as error:
        result.ran, result.why = "FAILED", _text(error)
        return result
    result.ran, result.why = "yes", ""
    result.parameters, result.calls = trace.tree.total_params, len(trace.calls)
    result.totals_wrong = int(trace.tree.total_params != sum(p.numel() for p in model.parameters()))
    return result


def quiet() -> None:
    """Leave only the table, and one thread."""
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)


def _build(config: PretrainedConfig) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = AutoModel.from_config(config)
    return model.eval()


def _that_runs(name: str, result: Result) -> tuple[nn.Module, dict[str, Tensor]] | None:
    """The smallest of the shrunk models that runs, with inputs on which it does."""
    for config in shrunk(name):
        try:
            with torch.device("meta"):
                count = sum(p.numel() for p in _build(config).parameters())
            if count > MOST_PARAMETERS:
                result.why = result.why or f"too large to run here: {count / 1e6:.0f} million parameters"
                continue
            model = _build(config)
        except Exception as error:
            result.why = _text(error)
            continue
        inputs = _that_fit(model, result)
        if inputs is not None:
            result.why = ""
            return model, inputs
    return None


def _that_fit(model: nn.Module, result: Result) -> dict[str, Tensor] | None:
    for inputs in attempts(model):
        try:
            truth.run_plainly(model, inputs, SEED)
        except Exception as error:
            result.why = _text(error)
        else:
            return inputs
    return None


def _compare(model: nn.Module, inputs: dict[str, Tensor], result: Result) -> None:
    plain = truth.run_plainly(model, inputs, SEED)
    again = truth.run_plainly(model, inputs, SEED)
    watched = truth.run_watched(model, inputs, SEED)
    torch.manual_seed(SEED)
    before = take(model, ((), inputs))
    outputs, trace = _traced(model, inputs)
    left = {key: what for key, what in changes(before, take(model, ((), inputs), before)).items() if key[0] not in KEPT}
    expected = sum(p.numel() for p in model.parameters())
    seen = [(_truths_name(call), call.input_shapes, call.output_shapes) for call in trace.calls]
    wanted = [(call.path, call.inputs, call.outputs) for call in watched.calls]
    result.parameters, result.calls = expected, len(trace.calls)
    result.totals_wrong = int(trace.tree.total_params != expected)
    result.calls_missed = int([path for path, *_ in seen] != [path for path, *_ in wanted])
    result.shapes_wrong = sum(a != b for a, b in zip(seen, wanted, strict=False))
    result.altered = int(truth.same_bits(plain, again) and not truth.same_bits(plain, outputs))
    result.residue = len(left)
    result.why = "; ".join(
        [f"{key}: {what}" for key, what in list(left.items())[:2]]
        + [f"{a} instead of {b}" for a, b in zip(seen, wanted, strict=False) if a != b][:1]
    )


def _truths_name(call: Call) -> str:
    """What truth.py calls it: of an unregistered module torch's hooks tell only the type."""
    return f"?{call.type}" if "[" in call.path else call.path


def _traced(model: nn.Module, inputs: dict[str, Tensor]) -> tuple[list[Tensor], modscope.Trace]:
    """The trace, and what the root gave while it was traced."""
    outputs: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        if module is model:
            outputs[:] = truth.tensors(output)

    hook = register_module_forward_hook(keep)
    try:
        return outputs, modscope.trace(model, **inputs)
    finally:
        hook.remove()


def seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:160]
