"""Inputs for a model nobody wrote inputs for: by its forward's argument names and its configuration's sizes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

TOKENS = 16


def attempts(model: nn.Module) -> Iterator[dict[str, Any]]:
    """Sets of keyword arguments to try in turn; the first one that runs is taken."""
    accepted = inspect.signature(model.forward).parameters
    main = str(getattr(model, "main_input_name", "input_ids"))
    known = dict(_known(model))
    mains = [name for name in dict.fromkeys((main, *known)) if name in accepted and name in known]
    companions = (
        "decoder_input_ids",
        "pixel_values",
        "input_ids",
        "grid_thw",
        "image_grid_thw",
        "decoder_input_features",
    )
    for first in mains:
        for value in known[first]:
            yield {first: value}
            extra: dict[str, Any] = {}
            for second in companions:
                if second in accepted and second in known and second != first:
                    yield {first: value, second: known[second][0]}
                    extra[second] = known[second][0]
            yield {first: value, **extra}
            if "use_cache" in accepted:
                yield {first: value, **extra, "use_cache": False}


def _known(model: nn.Module) -> Iterator[tuple[str, list[Tensor]]]:
    config: Any = model.config
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    channels = _find(config, "num_channels", "in_channels", "in_chans") or 3
    height, width = _pair(_find(config, "image_size", "img_size") or 224)
    frames = _find(config, "num_frames", "frames_per_clip") or 2
    mels = _find(config, "num_mel_bins", "feature_size", "n_mels", "input_feat_per_channel") or 80
    patch = _pair(_find(config, "patch_size") or 14)
    per_patch = channels * (_find(config, "temporal_patch_size") or 1) * patch[0] * patch[1]
    vocabulary = _find(config, "vocab_size") or 90
    ids = torch.randint(min(5, vocabulary - 1), min(90, vocabulary), (1, TOKENS), generator=generator)
    yield "input_ids", [ids]
    yield (
        "pixel_values",
        [noise(1, channels, height, width), noise(1, frames, channels, height, width), noise(16, per_patch)],
    )
    yield "pixel_values_videos", [noise(1, frames, channels, height, width)]
    yield "input_features", [noise(1, mels, 3000), noise(1, 200, mels), noise(1, mels, 200), noise(1, 100, mels)]
    yield "input_values", [noise(1, 16_000), noise(1, 1, 16_000), noise(1, 200, mels)]
    yield "hidden_states", [noise(16, per_patch)]
    yield "grid_thw", [torch.tensor([[1, 4, 4]])]
    yield "image_grid_thw", [torch.tensor([[1, 4, 4]])]
    yield "decoder_input_ids", [ids[:, :8]]


def _find(config: Any, *names: str) -> Any:
    """The first of these fields, here or in a configuration inside."""
    for name in names:
        if (value := vars(config).get(name)) is not None:
            return value
    for value in vars(config).values():
        if hasattr(value, "model_type") and (found := _find(value, *names)) is not None:
            return found
    return None


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, dict):
        return int(size["height"]), int(size["width"])
    return (int(size[0]), int(size[-1])) if isinstance(size, list | tuple) else (int(size), int(size))
