"""What was found in a file stays true while its bytes, its bases' bytes, the rules and the settings are the same.

One entry per file and configuration. An entry that is damaged, of another version, or that cannot be read or written
is no entry: the file is linted again.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from modscope import __version__
from modscope.config import Config
from modscope.findings import Edit, Finding, Fix, Location, Severity
from modscope.linter.places import Places
from modscope.linter.text import UnreadableSource, read

FOLDER = ".modscope_cache"
Lookups = tuple[tuple[str, str | None], ...]  # a module name, and the file it meant


@dataclass(frozen=True, slots=True)
class Source:
    """A file that an answer rests on."""

    path: str
    digest: str | None  # None: it could not be read
    dots: int  # how far its relative imports go up
    lookups: Lookups  # the modules looked up from it


def digest(*parts: bytes) -> str:
    """A short name for some bytes that no others have."""
    whole = blake2b(digest_size=20)
    for part in parts:
        whole.update(b"%d:" % len(part) + part)
    return whole.hexdigest()


class Cache:
    """The entries of one folder, as one run sees them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._version = _version()
        self._places = Places()
        self._digests: dict[str, str | None] = {}
        self._configs: dict[Config, bytes] = {}

    def get(self, path: Path, data: bytes, config: Config) -> tuple[Finding, ...] | None:
        """What was found in these bytes before; None where that is not known, or no longer sure."""
        file = os.path.abspath(path)
        try:
            seal, _, body = self._entry(file, config).read_bytes().partition(b"\n")
            entry = json.loads(body) if seal.decode() == digest(body) else {}
            self._digests.setdefault(file, digest(data))
            if entry.get("version") != self._version or entry["sources"][0][1] != self._digests[file]:
                return None
            if all(self._stands(Source(*source)) for source in entry["sources"]):
                return tuple(_finding(each, str(path)) for each in entry["findings"])
        except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            pass
        return None

    def put(self, path: Path, config: Config, findings: Iterable[Finding], sources: Iterable[Source]) -> None:
        """Remember what was found; `sources` are the file itself and those in which its reasons lie."""
        entry = {
            "version": self._version,
            "sources": [(each.path, each.digest, each.dots, each.lookups) for each in sources],
            "findings": [asdict(each) for each in findings],
        }
        body = json.dumps(entry, separators=(",", ":")).encode()
        target = self._entry(os.path.abspath(path), config)
        with suppress(OSError):
            self._write(target, f"{digest(body)}\n".encode() + body)

    def _write(self, target: Path, content: bytes) -> None:
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            (self.folder / ".gitignore").write_text("*\n")
        # no fsync: an entry that a crash left half shows it by its seal
        temporary = target.with_name(f"{os.urandom(8).hex()}.tmp")
        try:
            temporary.write_bytes(content)
            os.replace(temporary, target)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def _entry(self, file: str, config: Config) -> Path:
        if config not in self._configs:
            self._configs[config] = repr(config).encode()
        name = digest(os.fsencode(file), self._configs[config])
        return self.folder / name[:2] / f"{name[2:]}.json"

    def _stands(self, source: Source) -> bool:
        """Whether the file is what it was, and its imports lead where they led."""
        if self._digest_of(source.path) != source.digest:
            return False
        roots = self._places.of(source.path, source.dots).roots if source.lookups else ()
        return all(self._places.find(name, roots) == found for name, found in source.lookups)

    def _digest_of(self, path: str) -> str | None:
        if path not in self._digests:
            try:
                self._digests[path] = digest(read(path))
            except UnreadableSource:
                self._digests[path] = None
        return self._digests[path]


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
