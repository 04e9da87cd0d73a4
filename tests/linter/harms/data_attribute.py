import torch


def harmed(example) -> bool:
    x = torch.ones(4, requires_grad=True)
    y = example.Scale()(x)
    y.sum().backward()
    return not torch.equal(x.grad * x, y)
