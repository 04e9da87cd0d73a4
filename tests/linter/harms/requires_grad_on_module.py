def harmed(example) -> bool:
    return example.Net().backbone.weight.requires_grad
