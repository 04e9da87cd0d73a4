def harmed(example) -> bool:
    return len(list(example.Net().parameters())) < 4
