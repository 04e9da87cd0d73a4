"""The other end of `pool`: reads what to lint from standard input, writes outcomes to standard output."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from pathlib import Path

from modscope.config import Config
from modscope.linter.pool import Failure
from modscope.linter.run import Outcome, Run, room_for_trees


def main() -> None:
    """Lint what comes until nothing more does."""
    orders = sys.stdin.buffer
    # whatever else is printed in this process must not come between the outcomes
    outcomes = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    run = Run(*pickle.load(orders))
    with room_for_trees():
        while True:
            try:
                path, config = pickle.load(orders)
            except EOFError:
                return
            pickle.dump(_outcome(run, path, config), outcomes)
            outcomes.flush()


def _outcome(run: Run, path: Path, config: Config) -> Outcome | Failure:
    try:
        return run.file(path, config)
    except (MemoryError, RecursionError):
        raise  # the file's doing
    except Exception:
        return Failure(f"{path}: {traceback.format_exc()}")


if __name__ == "__main__":
    main()
