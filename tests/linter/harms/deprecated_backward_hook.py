import torch
from torch import nn


def harmed(example) -> bool:
    model, seen = nn.Linear(4, 2), []
    example.watch(model, lambda module, grad_input, grad_output: seen.append(grad_input))
    model(torch.ones(1, 4, requires_grad=True)).sum().backward()
    return len(seen[0]) != 1
