import torch


def harmed(example) -> bool:
    perfect, labels = 1000 * torch.eye(10), torch.arange(10)
    return bool(example.Net().loss(perfect, labels) > 1)
