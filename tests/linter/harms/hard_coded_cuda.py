import torch


def harmed(example) -> bool:
    """On the CPU: with a GPU the devices differ, without one there is no CUDA."""
    try:
        example.Net()(torch.ones(4))
    except (RuntimeError, AssertionError):
        return True
    return False
