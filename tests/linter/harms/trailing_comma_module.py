import torch

from tests.linter.harms import raises


def harmed(example) -> bool:
    return raises(TypeError, lambda: example.Net()(torch.rand(1, 4)))
