from tests.linter.harms import raises


def harmed(example) -> bool:
    return raises(TypeError, example.Decoder)
