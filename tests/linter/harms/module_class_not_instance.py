import torch


def harmed(example) -> bool:
    return not isinstance(example.Net()(torch.ones(1)), torch.Tensor)
