import torch


def harmed(example) -> bool:
    net = example.Net()
    net.freeze()
    return bool((net(torch.ones(1000)) == 0).any())
