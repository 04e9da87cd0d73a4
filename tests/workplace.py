"""A folder to work in, and nothing left of it in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path


@contextmanager
def work_in(folder: Path) -> Iterator[None]:
    """Make it the working directory; afterwards sys.path is as before, and what was imported from it is forgotten."""
    path, known = [*sys.path], {*sys.modules}
    try:
        with chdir(folder):
            yield
    finally:
        sys.path[:] = path
        for name in {*sys.modules} - known:
            if str(getattr(sys.modules[name], "__file__", None)).startswith(f"{folder}{os.sep}"):
                del sys.modules[name]
