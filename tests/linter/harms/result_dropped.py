import torch


def harmed(example) -> bool:
    mask = torch.tensor([True, False])
    weights = example.Attention()(torch.zeros(1, 2), mask)
    return bool(weights[:, mask].any())
