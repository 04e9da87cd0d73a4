import torch


def harmed(example) -> bool:
    net, x = example.Net().eval(), torch.ones(1000)
    return not torch.equal(net(x), net(x))
