"""What each rule's mistake does at run time: `<rule>.py` has `harmed(example)`, the names that the example defines."""

from collections.abc import Callable


def raises(error: type[Exception], call: Callable[[], object]) -> bool:
    try:
        call()
    except error:
        return True
    return False
