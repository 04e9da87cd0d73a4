from tests.linter.harms import raises


def harmed(example) -> bool:
    return raises(TypeError, lambda: list(example.Net(4).parameters()))
