"""A spread of the zoo; `make zoo` runs all of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.zoo.measure import Result, measure

SPREAD = [
    "albert",
    "bert",
    "bloom",
    "clip",
    "codegen",
    "convnext",
    "distilbert",
    "fnet",
    "gpt2",
    "led",
    "mamba",
    "mobilenet_v1",
    "mpnet",
    "phimoe",
    "regnet",
    "resnet",
    "squeezebert",
    "t5",
    "vit",
    "wav2vec2",
    "xlnet",
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So small models are slower on several, by far where other tests run beside."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", SPREAD)
def test_a_real_architecture_is_traced_truly(name: str) -> None:
    result = measure(name, timed=False)
    truth = Result(name, "yes", result.parameters, result.calls)
    assert result == truth
    assert result.calls > 0
