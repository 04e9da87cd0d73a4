import torch

from tests.linter.harms import raises


def harmed(example) -> bool:
    return raises(RuntimeError, lambda: example.Net()(torch.ones(1, 4)))
