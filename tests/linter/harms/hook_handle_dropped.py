import torch
from torch import nn


def harmed(example) -> bool:
    model = nn.Linear(4, 4)
    example.shapes(model, torch.ones(1, 4))
    return bool(model._forward_hooks)
