import warnings

import torch


def harmed(example) -> bool:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        example.initialize(torch.empty(4, 4))
    return any(issubclass(each.category, FutureWarning) for each in seen)
