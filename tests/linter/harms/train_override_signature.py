from torch import nn

from tests.linter.harms import raises


def harmed(example) -> bool:
    return raises(TypeError, nn.Sequential(example.Net()).eval)
