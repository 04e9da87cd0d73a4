"""Functions that torch has removed or will remove, and what takes their place. Checked against torch by a test."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modscope.linter.statement import Statement

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Outdated:
    """A function of torch that should not be called any more."""

    instead: str  # what to call, in full
    since: Version  # torch has what is to be called since then
    same: bool = False  # with the same arguments and results


# Calling these raises an error.
REMOVED = {
    "torch.btrifact": Outdated("torch.linalg.lu_factor", (1, 11)),
    "torch.eig": Outdated("torch.linalg.eig", (1, 9)),
    "torch.gels": Outdated("torch.linalg.lstsq", (1, 9)),
    "torch.ifft": Outdated("torch.fft.ifft", (1, 7)),
    "torch.irfft": Outdated("torch.fft.irfft", (1, 7)),
    "torch.lstsq": Outdated("torch.linalg.lstsq", (1, 9)),
    "torch.matrix_rank": Outdated("torch.linalg.matrix_rank", (1, 8)),
    "torch.rfft": Outdated("torch.fft.rfft", (1, 7)),
    "torch.solve": Outdated("torch.linalg.solve", (1, 8)),
    "torch.symeig": Outdated("torch.linalg.eigh", (1, 9)),
}

_INITIALIZERS = """
    constant eye dirac kaiming_normal kaiming_uniform normal orthogonal sparse uniform xavier_normal xavier_uniform
"""
# Calling these still works; the documentation or a warning says that it will not.
DEPRECATED = {
    "torch.chain_matmul": Outdated("torch.linalg.multi_dot", (1, 8)),
    "torch.cholesky": Outdated("torch.linalg.cholesky", (1, 8)),
    "torch.cpu.amp.GradScaler": Outdated("torch.amp.GradScaler", (2, 3)),
    "torch.cpu.amp.autocast": Outdated("torch.amp.autocast", (1, 10)),
    "torch.cuda.amp.GradScaler": Outdated("torch.amp.GradScaler", (2, 3)),
    "torch.cuda.amp.autocast": Outdated("torch.amp.autocast", (1, 10)),
    "torch.cuda.amp.custom_bwd": Outdated("torch.amp.custom_bwd", (2, 4)),
    "torch.cuda.amp.custom_fwd": Outdated("torch.amp.custom_fwd", (2, 4)),
    "torch.cuda.max_memory_cached": Outdated("torch.cuda.max_memory_reserved", (1, 4), same=True),
    "torch.cuda.memory_cached": Outdated("torch.cuda.memory_reserved", (1, 4), same=True),
    "torch.ger": Outdated("torch.outer", (1, 7), same=True),
    "torch.lu": Outdated("torch.linalg.lu_factor", (1, 11)),
    "torch.lu_solve": Outdated("torch.linalg.lu_solve", (1, 13)),
    "torch.nn.functional.upsample": Outdated("torch.nn.functional.interpolate", (0, 4)),
    "torch.nn.functional.upsample_bilinear": Outdated("torch.nn.functional.interpolate", (0, 4)),
    "torch.nn.functional.upsample_nearest": Outdated("torch.nn.functional.interpolate", (0, 4)),
    "torch.nn.utils.clip_grad_norm": Outdated("torch.nn.utils.clip_grad_norm_", (0, 4), same=True),
    "torch.nn.utils.spectral_norm": Outdated("torch.nn.utils.parametrizations.spectral_norm", (1, 9)),
    "torch.nn.utils.weight_norm": Outdated("torch.nn.utils.parametrizations.weight_norm", (2, 1)),
    "torch.qr": Outdated("torch.linalg.qr", (1, 8)),
    "torch.range": Outdated("torch.arange", (0, 4)),
    "torch.set_default_tensor_type": Outdated("torch.set_default_dtype", (0, 4)),
    "torch.svd": Outdated("torch.linalg.svd", (1, 8)),
    "torch.testing.assert_allclose": Outdated("torch.testing.assert_close", (1, 10)),
    "torch.triangular_solve": Outdated("torch.linalg.solve_triangular", (1, 11)),
    **{
        f"torch.nn.init.{name}": Outdated(f"torch.nn.init.{name}_", (0, 4), same=True) for name in _INITIALIZERS.split()
    },
}


# How code asks which torch it runs on, before it takes the old way or the new one.
_ASKS = re.compile(
    r"torch\.__version__|hasattr\(\s*torch\b|version\.parse|torch_\w*(?:version|\d)"
    r"|\btry:\s+(?:import torch\.|from torch\b)",
    re.IGNORECASE,
)


def is_outdated(outdated: Outdated, statement: Statement) -> bool:
    """Whether it is so for the oldest torch that the code runs on, in a file that does not ask for the version."""
    target = statement.target_torch
    return (target is None or target >= outdated.since) and not _ASKS.search(statement.file_text)


def words(table: dict[str, Outdated]) -> tuple[str, ...]:
    """What the calls of a table are written with."""
    return tuple(sorted({f"{name.rpartition('.')[2]}(" for name in table}))


def trigger(table: dict[str, Outdated]) -> str:
    """A regular expression for these calls."""
    return rf"(?<!\w)(?:{'|'.join(map(re.escape, words(table)))})"
