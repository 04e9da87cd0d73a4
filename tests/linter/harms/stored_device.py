import torch

from tests.linter.harms import raises


def harmed(example) -> bool:
    """On the meta device, which every machine has."""
    noise = example.Noise().to("meta")
    return raises(RuntimeError, lambda: noise(torch.ones(4, device="meta")))
