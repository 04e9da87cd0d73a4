"""What was found in a file stays true while its bytes, its bases' bytes, the rules and the settings are the same.

The answers for one configuration are one file. A file that is damaged, of another version, or that cannot be read or
written is no cache: what it would have answered is linted again. Of runs at the same time each keeps the answers that
the others have written.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from modscope import __version__
from modscope.config import Config
from modscope.findings import Edit, Finding, Fix, Location, Severity
from modscope.linter.answers import Answer, Answers, load, save
from modscope.linter.places import Places
from modscope.linter.sources import Source, Stamp, digest, stamp
from modscope.linter.text import UnreadableSource, read

FOLDER = ".modscope_cache"


class Cache:
    """The answers in one folder, as one run sees them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disk = _Disk()
        self._kept: dict[Config, _Kept] = {}
        self._last: tuple[Config, _Kept] | None = None
        self._sources: dict[Source, Source] = {}  # one of those that are equal, for all the answers

    def get(self, path: Path, config: Config) -> tuple[Finding, ...] | None:
        """What was found in a file before; None where that is not known, or no longer sure."""
        answer = self._of(config).old.get(os.path.abspath(path))
        if answer is None or not all(map(self._disk.stands, answer.sources)):
            return None
        try:
            return tuple(_finding(each, str(path)) for each in answer.findings)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return None

    def put(self, path: Path, config: Config, findings: Iterable[Finding], sources: tuple[Source, ...]) -> None:
        """Note what was found; `sources` are the file itself and those in which its reasons lie."""
        shared = tuple(self._sources.setdefault(each, each) for each in sources)
        self._disk.believe(shared)
        self._of(config).new[os.path.abspath(path)] = Answer(shared, [asdict(each) for each in findings])

    def save(self) -> None:
        """Write down what is new."""
        for kept in self._kept.values():
            if kept.new or self._disk.learned:
                with suppress(OSError):
                    kept.save(self._disk)

    def _of(self, config: Config) -> _Kept:
        if self._last is None or self._last[0] is not config:  # to hash one costs as much as all else that is asked
            if config not in self._kept:
                rooted = replace(config, root=os.path.abspath(config.root or "."))  # where its patterns start
                self._kept[config] = _Kept(self._folder / f"{digest(repr(rooted).encode())}.json", self._disk)
            self._last = config, self._kept[config]
        return self._last[1]


class _Kept:
    """The answers for one configuration: those that were there, and those that have come."""

    def __init__(self, file: Path, disk: _Disk) -> None:
        self._file = file
        self._version = _version()
        self._state = _state(file)
        self.old = load(file, self._version)
        self.new: Answers = {}
        for answer in self.old.values():
            disk.believe(answer.sources)

    def save(self, disk: _Disk) -> None:
        """Raises OSError."""
        old = self.old if self._state == _state(self._file) else load(self._file, self._version)
        every = {path: answer for path, answer in (old | self.new).items() if path in self.new or os.path.lexists(path)}
        stamped = {path: Answer(disk.stamped(answer.sources), answer.findings) for path, answer in every.items()}
        save(self._file, stamped, self._version)


class _Disk:
    """What lies on disk while the cache is asked; every file is looked at once."""

    def __init__(self) -> None:
        self.learned = False  # whether a file had to be read that another time need not be
        self._stamps: dict[str, tuple[str, Stamp]] = {}  # what a file held when its stamp was this
        self._digests: dict[str, str | None] = {}
        self._standing: dict[int, bool] = {}  # by the id of a source that was loaded
        self._places = Places()

    def believe(self, sources: Iterable[Source]) -> None:
        """Take the stamps of these sources for later."""
        for source in sources:
            if source.stamp and source.digest:
                self._stamps[source.path] = source.digest, source.stamp

    def stamped(self, sources: Iterable[Source]) -> tuple[Source, ...]:
        """The same sources with the stamps that are known by now."""
        return tuple(source._replace(stamp=self._stamp(source)) for source in sources)

    def _stamp(self, source: Source) -> Stamp | None:
        known, stamp = self._stamps.get(source.path, (None, None))
        return stamp if known == source.digest else None

    def stands(self, source: Source) -> bool:
        """Whether the file is what it was, and its imports lead where they led."""
        if id(source) not in self._standing:
            unchanged = self._digest(source.path) == source.digest
            self._standing[id(source)] = unchanged and self._leads_where_it_led(source)
        return self._standing[id(source)]

    def _leads_where_it_led(self, source: Source) -> bool:
        roots = self._places.of(source.path, source.dots).roots if source.lookups else ()
        return all(self._places.find(name, roots) == found for name, found in source.lookups)

    def _digest(self, path: str) -> str | None:
        if path not in self._digests:
            self._digests[path] = self._read(path)
        return self._digests[path]

    def _read(self, path: str) -> str | None:
        seen = stamp(path)
        known, before = self._stamps.get(path, (None, None))
        if seen and seen == before:
            return known
        try:
            known = digest(read(path))
        except UnreadableSource:
            return None
        if seen:
            self._stamps[path] = known, seen
            self.learned = True
        return known


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def _version() -> str:
    """What else an answer depends on: these rules, LibCST, Python's grammar."""
    files = [entry for folder in _CODE for entry in os.scandir(folder) if entry.name.endswith(".py")]
    from importlib.util import find_spec

    libcst = find_spec("libcst")
    if libcst and libcst.origin:
        files += [entry for entry in os.scandir(Path(libcst.origin).parent) if entry.name == "_version.py"]
    stamps = sorted((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in files)
    return digest(repr((__version__, sys.version_info, stamps)).encode())


_HERE = Path(__file__).parent
_CODE = (_HERE, _HERE / "rules", _HERE.parent)


def _finding(entry: dict[str, Any], file: str) -> Finding:
    """A finding as it was, in a file that may be called otherwise now."""

    def located(location: dict[str, Any] | None) -> Location | None:
        return Location(**location | {"file": file}) if location else None

    location, fix = entry["location"], entry["fix"]
    edits = [Edit(**edit | {"where": located(edit["where"])}) for edit in fix["edits"]] if fix else ()
    return Finding(
        **entry
        | {
            "severity": Severity(entry["severity"]),
            "location": located(location),
            "fix": fix and Fix(fix["message"], tuple(edits), fix["safe"]),
        }
    )
