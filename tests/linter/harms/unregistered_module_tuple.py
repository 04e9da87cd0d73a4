def harmed(example) -> bool:
    return "pair.0.weight" not in example.Net().state_dict()
