"""Every call of every tricky module, against global hooks in a plain run."""

from __future__ import annotations

import pytest

from tests.residue import cases
from tests.residue.cases import Build
from tests.residue.oracle import ground_truth, seen
from tests.residue.scene import perform, traced
from tests.residue.situations import normal

CASES = [
    pytest.param(function, id=name)
    for name, function in cases.walk().items()
    if "oracle" not in getattr(function, "never", ())
]


@pytest.mark.parametrize("function", CASES)
def test_every_call_and_every_output_shape_is_recorded(function: Build) -> None:
    trace = perform(function, normal, traced).trace
    fused = not any(note.kind == "fused" for note in trace.blind_spots)
    assert seen(trace) == ground_truth(function, fused=fused)
