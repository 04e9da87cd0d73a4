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


def _packed(data: Tensor, batch_sizes: Tensor, state: Any, weights: Sequence[Tensor], *_: Any, **__: Any) -> int:
    """2mn for each m×n matrix and each row of a packed sequence: `data` has one for every step of every sequence.

    From the equations that torch.nn.RNN, LSTM and GRU document: a step multiplies each matrix with one vector.
    """
    return 2 * data.shape[0] * sum(weight.numel() for weight in weights if weight.dim() == 2)


def _affine_grid(theta: Tensor, *_: Any, out_val: Tensor, **__: Any) -> int:
    """2mnk: each point of the grid, its last coordinate being 1, is multiplied with theta; as ATen's bmm does it."""
    return 2 * out_val.numel() * theta.shape[-1]


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
    aten.addbmm: flop_registry[aten.baddbmm],
    aten.affine_grid_generator: _affine_grid,
    aten._scaled_dot_product_flash_attention_for_cpu: flop_registry[aten._scaled_dot_product_flash_attention],
    aten._native_multi_head_attention: _attention,
    aten._transformer_encoder_layer_fwd: _encoder_layer,
    aten._addmm_activation: flop_registry[aten.addmm],
}

# Of functions that torch refuses to run without numbers, though what they cost follows from the shapes; and how many of
# their first arguments are factors, the gradient of each of which costs as much again (0: not known).
_OF_FUNCTIONS: dict[Any, tuple[Callable[..., int], int]] = {
    **dict.fromkeys((torch._grouped_mm, torch.nn.functional.grouped_mm), (_grouped_mm, 2)),
    **dict.fromkeys((torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu), (_packed, 0)),
}


def formula_of_function(function: Any) -> tuple[Callable[..., int], int] | None:
    """How to count a torch function as a whole, and how many factors it multiplies."""
    return _OF_FUNCTIONS.get(function)


def formula_of(packet: Any) -> Callable[..., int] | None:
    """How to count an operator of torch; one that works in place as the one that does not."""
    name = packet.__name__
    if name.endswith("_") and getattr(aten, name, None) is packet:
        packet = getattr(aten, name.removesuffix("_"), packet)
    return flop_registry.get(packet) or _FORMULAS.get(packet)
