import torch

from tests.linter.harms import raises


def harmed(example) -> bool:
    return raises(NotImplementedError, lambda: example.Net()(torch.ones(1, 4)))
