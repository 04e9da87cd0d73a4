import torch


def harmed(example) -> bool:
    net, x = example.Net(), torch.ones(1, 4)
    return not torch.equal(net(x), net(x)) and not list(net.parameters())
