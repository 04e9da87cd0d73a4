def harmed(example) -> bool:
    return not list(example.Net().parameters())
