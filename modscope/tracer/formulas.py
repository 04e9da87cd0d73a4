"""Formulas of FLOPs for products that the registry of torch.utils.flop_counter leaves out; each names its source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten


def _matrix_vector(matrix: Tensor, vector: Tensor, *_: Any, **__: Any) -> int:
    """2mn for an m×n matrix: the case k = 1 of the registry's `mm_flop`, 2mnk."""
    return 2 * matrix.numel()


def _added_matrix_vector(added: Tensor, matrix: Tensor, vector: Tensor, *_: Any, **__: Any) -> int:
    """As `_matrix_vector`; the sum does not count, as in the registry's `addmm_flop`."""
    return 2 * matrix.numel()


def _dot(left: Tensor, right: Tensor, *_: Any, **__: Any) -> int:
    """2n: the case m = n = 1 of the registry's `mm_flop`."""
    return 2 * left.numel()


def _mm(left: Tensor, right: Tensor, *_: Any, **__: Any) -> int:
    """2mnk, the registry's `mm_flop`."""
    return 2 * left.shape[0] * left.shape[1] * right.shape[1]


def _grouped_mm(left: Tensor, right: Tensor, *_: Any, **__: Any) -> int:
    """2mnk, m, n or k being the sum over the groups where one side is two-dimensional; times the groups where none is.

    From the shapes that torch.nn.functional.grouped_mm documents.
    """
    groups = left.shape[0] if left.dim() == right.dim() == 3 else 1
    return 2 * groups * left.shape[-2] * left.shape[-1] * right.shape[-1]


def _attention(query: Tensor, key: Tensor, value: Tensor, embedding: int, heads: int, *weights: Any, **_: Any) -> int:
    """The projections, 2mnk each, and twice 2·b·t·s·e for the attention itself, as in the registry's `sdpa_flop`.

    What torch.nn.functional.multi_head_attention_forward multiplies where it is not fused.
    """
    inputs, _, projection = weights[:3]
    batch, targets, sources = query.shape[0], query.shape[1], key.shape[1]
    projected: int = 2 * query.numel() * (inputs.shape[0] + projection.shape[0])
    return projected + 4 * batch * targets * sources * embedding


def _encoder_layer(source: Tensor, embedding: int, heads: int, *rest: Any, **_: Any) -> int:
    """As `_attention` on one input, and 2mnk for each of the two linear layers; nn.TransformerEncoderLayer unfused."""
    attention, feed_forward = rest[:4], (rest[11], rest[13])
    widths: int = sum(weight.numel() for weight in feed_forward)
    tokens = source.shape[0] * source.shape[1]
    return _attention(source, source, source, embedding, heads, *attention) + 2 * tokens * widths


def _trilinear(first: Tensor, second: Tensor, third: Tensor, *dimensions: Sequence[int], **_: Any) -> int:
    """Two products, one after the other, each 2mnk as in the registry's `bmm_flop`; what bilinear multiplies.

    As ATen's `_trilinear` does it: the first with the second, summed over what the third lacks; then with the third.
    """
    *expanded, summed = dimensions[:4]
    shapes = [_unsqueezed(tensor.shape, where) for tensor, where in zip((first, second, third), expanded, strict=True)]
    pair = list(map(max, shapes[0], shapes[1]))
    left = [1 if place in summed and place in expanded[2] else size for place, size in enumerate(pair)]
    return 2 * prod(pair) + 2 * prod(map(max, left, shapes[2]))


def _unsqueezed(shape: Sequence[int], where: Sequence[int]) -> list[int]:
    sizes = list(shape)
    for place in sorted(where):
        sizes.insert(place, 1)
    return sizes


def _euclidean_distance(left: Tensor, right: Tensor, *_: Any, **__: Any) -> int:
    """2mn(k + 2): the distances of m from n points in k dimensions as one product, as ATen's `_euclidean_dist` does it.

    That is what cdist does of more than 25 points; else it adds up differences, and is unknown.
    """
    return 2 * prod(left.shape[:-1]) * right.shape[-2] * (left.shape[-1] + 2)


_FORMULAS: dict[Any, Callable[..., int]] = {
    aten.mv: _matrix_vector,
    aten.addmv: _added_matrix_vector,
    aten.dot: _dot,
    aten.vdot: _dot,
    aten._int_mm: _mm,
    aten._trilinear: _trilinear,
    aten._euclidean_dist: _euclidean_distance,
    aten._grouped_mm: _grouped_mm,
    aten._native_multi_head_attention: _attention,
    aten._transformer_encoder_layer_fwd: _encoder_layer,
    aten._addmm_activation: flop_registry[aten.addmm],
}


def formula_of(packet: Any) -> Callable[..., int] | None:
    """How to count an operator of torch; one that works in place as the one that does not."""
    name = packet.__name__
    if name.endswith("_") and getattr(aten, name, None) is packet:
        packet = getattr(aten, name.removesuffix("_"), packet)
    return flop_registry.get(packet) or _FORMULAS.get(packet)
