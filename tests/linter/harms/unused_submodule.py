import torch


def harmed(example) -> bool:
    net = example.Net()
    net(torch.ones(1, 4)).sum().backward()
    return any(parameter.grad is None for parameter in net.parameters())
