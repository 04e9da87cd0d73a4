"""A model type -> configurations of it that fit a small machine, by what their fields are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from transformers import AutoConfig, PretrainedConfig

LAYERS = re.compile(r"(^|_)n(um)?_(\w+_)?(layers?|blocks)$|_layers$|^(n_layer|depth|num_stages_layers)$")
EXPERTS = re.compile(r"^(num|n)_(\w+_)?experts$")
WIDTHS = re.compile(
    r"(hidden|intermediate|embedding|ffn|inner|d_model|projection|embed)\w*_?(size|sizes|dim|dims)$"
    r"|^(d_model|d_ff|ffn_dim|dim|n_embd|n_inner|hidden_dim|embed_dim|width|\w+_ffn_dim|out_hidden_size)$"
)
HEADS = re.compile(r"(^|_)(n|num)_(\w+_)?heads?$|_attention_heads$|^n_head$")
HEAD_WIDTHS = re.compile(r"head_dim$|^d_kv$")
MOST_LAYERS, MOST_EXPERTS = 2, 8


def shrunk(model_type: str) -> Iterator[PretrainedConfig]:
    """Smaller and smaller changes: many architectures bear only some of them."""
    default = AutoConfig.for_model(model_type)
    for divided in (HEADS, HEAD_WIDTHS):
        for factor in (8, 4, 2):
            for lists in (False, True):
                changes = _changes(default, factor, divided, lists)
                try:
                    yield AutoConfig.for_model(model_type, **changes)
                except Exception:
                    continue
    for lists in (False, True):
        try:
            yield AutoConfig.for_model(model_type, **_changes(default, 1, HEADS, lists))
        except Exception:
            continue
    yield default


def _changes(config: PretrainedConfig, factor: int, divided: re.Pattern[str], lists: bool) -> dict[str, Any]:
    """The fields to construct the configuration with. `lists`: also cut lists that have an entry for each layer."""
    changes: dict[str, Any] = {}
    layers = [value for name, value in vars(config).items() if LAYERS.search(name) and type(value) is int]
    for name, value in vars(config).items():
        if name.startswith("_"):
            continue
        if isinstance(value, PretrainedConfig):
            changes[name] = _changes(value, factor, divided, lists) | {"model_type": value.model_type}
        elif type(value) is int and LAYERS.search(name):
            changes[name] = min(value, MOST_LAYERS)
        elif type(value) is int and EXPERTS.search(name):
            changes[name] = min(value, MOST_EXPERTS)
        elif type(value) is int and (WIDTHS.search(name) or divided.search(name)):
            if value % factor == 0 and "position" not in name:
                changes[name] = value // factor
        elif isinstance(value, list | tuple) and all(type(item) is int for item in value) and WIDTHS.search(name):
            if all(item % factor == 0 for item in value):
                changes[name] = [item // factor for item in value]
        elif lists and isinstance(value, list) and len(value) in layers and len(value) > MOST_LAYERS:
            changes[name] = value[:MOST_LAYERS]
        elif isinstance(value, list | tuple) and name in ("depths", "encoder_depths"):
            changes[name] = [min(item, MOST_LAYERS) for item in value]
    return {name: value for name, value in changes.items() if value != vars(config)[name]}
