import torch

from tests.linter.harms import raises


def harmed(example) -> bool:
    return raises(TypeError, lambda: example.Block("conv").type(torch.float16))
