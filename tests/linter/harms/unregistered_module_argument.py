from torch import nn


def harmed(example) -> bool:
    return not list(example.Ensemble([nn.Linear(4, 4)]).parameters())
