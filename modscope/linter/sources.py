"""The files that an answer rests on, and how to tell, mostly without reading them, that nothing in them changed."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

Lookups = tuple[tuple[str, str | None], ...]  # a module name, and the file it meant
Stamp = tuple[int, int, int, int]  # what the file system says of a file
_SETTLED = 2_000_000_000  # nanoseconds; some file systems count time in steps of two seconds


class Source(NamedTuple):
    """A file that an answer rests on."""

    path: str
    digest: str | None  # None: it could not be read
    stamp: Stamp | None
    dots: int  # how far its relative imports go up
    lookups: Lookups  # the modules looked up from it


def digest(*parts: bytes) -> str:
    """A short name for some bytes that no others have."""
    from hashlib import blake2b  # 4 ms, and only the cache needs it

    whole = blake2b(digest_size=20)
    for part in parts:
        whole.update(b"%d:" % len(part) + part)
    return whole.hexdigest()


def stamp(path: str | os.PathLike[str]) -> Stamp | None:
    """What stays the same as long as a file does; asked for before it is read.

    None for a file that was changed a moment ago: one more change could leave it the same. The time of the last
    change of the entry is part of it, which no program sets, as `cp -p` does that of the contents; Windows has none.
    """
    if os.name == "nt":
        return None
    try:
        status = os.stat(path)
    except OSError:
        return None
    if max(status.st_ctime_ns, status.st_mtime_ns) > time.time_ns() - _SETTLED:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
