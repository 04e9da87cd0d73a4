import torch
from torch import nn


def harmed(example) -> bool:
    block = nn.Linear(4, 4)
    return not example.run(block, torch.ones(1, 4)).requires_grad
