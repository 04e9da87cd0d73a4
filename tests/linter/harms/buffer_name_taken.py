from tests.linter.harms import raises


def harmed(example) -> bool:
    return raises(KeyError, lambda: example.Causal(4))
