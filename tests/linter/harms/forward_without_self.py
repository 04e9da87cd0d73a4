import torch

from tests.linter.harms import raises


def harmed(example) -> bool:
    return raises(TypeError, lambda: example.Square()(torch.ones(1)))
