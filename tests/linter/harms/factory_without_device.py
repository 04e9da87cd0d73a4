import torch

from tests.linter.harms import raises


def harmed(example) -> bool:
    """The device "meta" stands for any that is not the CPU."""
    return raises(RuntimeError, lambda: example.Positions()(torch.ones(2, 4, device="meta")))
