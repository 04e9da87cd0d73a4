def harmed(example) -> bool:
    return not list(example.Scale().parameters())
