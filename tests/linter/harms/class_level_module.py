def harmed(example) -> bool:
    one, other = example.Net(), example.Net()
    return not list(one.parameters()) and one.fc is other.fc
