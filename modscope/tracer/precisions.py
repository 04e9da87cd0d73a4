"""How exactly torch multiplies float32 numbers: a setting for each backend and kind of op, and older ones beside them.

Once code has used the newer settings, torch refuses to answer what the older ones are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

_C = torch._C
# from the general to the special: what is not set follows the one before it
_PLACES = (
    ("generic", "all"),
    *((backend, op) for backend in ("cuda", "mkldnn") for op in ("all", "matmul", "conv", "rnn")),
)
_OLDER: tuple[tuple[Callable[[], Any], Callable[[Any], None]], ...] = (
    (_C._get_float32_matmul_precision, _C._set_float32_matmul_precision),
    (_C._get_cudnn_allow_tf32, _C._set_cudnn_allow_tf32),
)

Precisions = tuple[list[str], list[Any]]


def read() -> Precisions:
    """All of them; None for an older one that torch does not tell."""
    return [_C._get_fp32_precision_getter(*place) for place in _PLACES], [_answer(getter) for getter, _ in _OLDER]


def write(before: Precisions) -> None:
    """Set those that differ; the older ones first, for they set newer ones."""
    places, older = before
    for (getter, setter), value in zip(_OLDER, older, strict=True):
        if value is not None and _answer(getter) != value:
            setter(value)
    for place, precision in zip(_PLACES, places, strict=True):
        if _C._get_fp32_precision_getter(*place) != precision:
            _C._set_fp32_precision_setter(*place, precision)


def _answer(getter: Callable[[], Any]) -> Any:
    try:
        return getter()
    except RuntimeError:
        return None
