def harmed(example) -> bool:
    return len(list(example.Net().children())) < 2
