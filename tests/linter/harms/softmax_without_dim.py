import torch


def harmed(example) -> bool:
    weights = example.Attention()(torch.rand(2, 3, 4))
    return not torch.allclose(weights.sum(-1), torch.ones(2, 3))
