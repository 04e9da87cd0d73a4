import torch


def harmed(example) -> bool:
    net = example.Net()
    net(torch.rand(4)).sum().backward()
    return all(parameter.grad is None for parameter in net.parameters())
