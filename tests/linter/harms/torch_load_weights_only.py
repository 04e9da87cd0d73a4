import os
import pickle
import tempfile
from pathlib import Path
from unittest import mock

import torch

RUNS: list[str] = []


class Crafted:
    def __reduce__(self) -> tuple[object, ...]:
        return run, ()


def run() -> None:
    RUNS.append("code of the file")


def harmed(example) -> bool:
    """With the default of torch before 2.6."""
    before = mock.patch.dict(os.environ, {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"})
    with tempfile.TemporaryDirectory() as folder, before:
        path = Path(folder) / "model.pt"
        torch.save(Crafted(), path)
        RUNS.clear()
        try:
            example.load(path)
        except pickle.UnpicklingError:
            return False
    return bool(RUNS)
