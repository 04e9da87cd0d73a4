"""How far a long run is, on a terminal only, and only after its first second."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 1.0  # seconds before anything is shown


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of files done; what it has written is gone afterwards."""
    began = time.monotonic()
    visible = not quiet and sys.stderr.isatty()
    shown = False

    def show(done: int) -> None:
        nonlocal shown
        if visible and time.monotonic() - began > PATIENCE:
            shown = True
            sys.stderr.write(f"\r{done} files")
            sys.stderr.flush()

    try:
        yield show
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
