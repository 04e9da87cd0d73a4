import torch


def harmed(example) -> bool:
    net, seen = example.Net(), []
    net.register_forward_hook(lambda *call: seen.append(call))
    net(torch.ones(1, 4))
    return not seen
