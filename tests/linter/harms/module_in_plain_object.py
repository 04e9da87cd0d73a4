import torch

from tests.linter.harms import raises


def harmed(example) -> bool:
    net = example.Net()
    return not hasattr(net, "parameters") and raises(TypeError, lambda: net(torch.ones(1, 4)))
