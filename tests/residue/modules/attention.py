"""Attention and its fused paths."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def multihead_attention() -> Any:
    """out_proj is used without being called."""
    x = torch.randn(2, 3, 4)
    return nn.MultiheadAttention(4, 2, batch_first=True), (x, x, x)


def multihead_attention_without_weights() -> Any:
    """need_weights=False: the other path, and None among the outputs."""
    x = torch.randn(2, 3, 4)
    return nn.MultiheadAttention(4, 2, batch_first=True, dropout=0.1), (x, x, x), {"need_weights": False}


def encoder_layer_in_training() -> Any:
    """The slow path, with dropout."""
    return nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), (torch.randn(2, 3, 4),)


def encoder_fused() -> Any:
    """In eval without gradients one kernel does it all."""
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    return nn.TransformerEncoder(layer, 2).eval().requires_grad_(False), (torch.randn(2, 3, 4),)


def encoder_with_padding() -> Any:
    """A padding mask makes the fused path convert to nested tensors."""
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    model = nn.TransformerEncoder(layer, 2).eval().requires_grad_(False)
    mask = torch.tensor([[False, False, True], [False, False, False]])
    return model, (torch.randn(2, 3, 4),), {"src_key_padding_mask": mask}


def transformer() -> Any:
    """Encoder, decoder, masks made in the forward."""
    model = nn.Transformer(4, 2, 1, 1, 8, batch_first=True)
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    return model, (torch.randn(2, 3, 4), torch.randn(2, 3, 4)), {"tgt_mask": mask, "tgt_is_causal": True}


class _Sdpa(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(4, 12)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=0.1 if self.training else 0.0)


def scaled_dot_product() -> Any:
    """Dropout inside the kernel."""
    return _Sdpa(), (torch.randn(2, 3, 4),)


class _Cached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kv = nn.Linear(4, 4)

    def forward(self, x: Tensor, cache: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        cache.append(self.kv(x))
        return torch.cat(cache, 1), cache


def cache_argument() -> Any:
    """Appends to a list it was given."""
    return _Cached(), (torch.randn(2, 1, 4), [torch.randn(2, 3, 4)])
