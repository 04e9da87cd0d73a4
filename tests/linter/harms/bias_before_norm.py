import torch


def harmed(example) -> bool:
    return any(isinstance(parameter, torch.nn.Parameter) for parameter in biases(example.Net()))


def biases(net):
    """Those that change nothing when they are changed."""
    conv = net.body[0]
    if conv.bias is None:
        return
    x = torch.rand(2, 8, 4, 4)
    before = net.body(x)
    with torch.no_grad():
        conv.bias += 1
    if torch.allclose(before, net.body(x), atol=1e-5):
        yield conv.bias
