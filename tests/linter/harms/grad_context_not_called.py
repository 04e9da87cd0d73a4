import torch
from torch import nn

from tests.linter.harms import raises


def harmed(example) -> bool:
    return raises(TypeError, lambda: example.predict(nn.Linear(4, 4), torch.ones(1, 4)))
