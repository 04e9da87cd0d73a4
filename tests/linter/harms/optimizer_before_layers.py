import torch


def harmed(example) -> bool:
    net = example.Net()
    before = net.head.weight.clone()
    net(torch.ones(1, 4)).sum().backward()
    net.optimizer.step()
    return torch.equal(before, net.head.weight)
