def harmed(example) -> bool:
    return example.Net().eval() is None
