def harmed(example) -> bool:
    return "layers.0.weight" not in example.Net().state_dict()
