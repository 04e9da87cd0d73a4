from torch import nn


def harmed(example) -> bool:
    model = nn.Linear(4, 4)
    example.freeze(model)
    return any(parameter.requires_grad for parameter in model.parameters())
