import torch


def harmed(example) -> bool:
    net, seen = example.Net(), []
    net.body.register_forward_hook(lambda *call: seen.append(call))
    net(torch.rand(1, 4))
    return not seen
