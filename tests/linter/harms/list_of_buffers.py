import torch

from tests.linter.harms import raises


def harmed(example) -> bool:
    """On the meta device, which every machine has."""
    scales = example.Scales().to("meta")
    return raises(RuntimeError, lambda: scales(torch.ones(4, device="meta")))
