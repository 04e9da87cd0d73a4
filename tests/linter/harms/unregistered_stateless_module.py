import torch


def harmed(example) -> bool:
    net = example.Net().eval()
    x = torch.ones(1000)
    return not torch.equal(net(x), x)
