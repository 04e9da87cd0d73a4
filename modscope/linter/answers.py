"""What was found under one configuration, as a file: sources that answers share, and paths, are in it once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from modscope.linter.sources import Source, digest


class Answer(NamedTuple):
    """What was found in one file."""

    sources: tuple[Source, ...]  # the file itself, and those in which the reasons lie
    findings: list[dict[str, Any]]  # as JSON has them


Answers = dict[str, Answer]  # by the file's path


def load(file: Path, version: str) -> Answers:
    """The answers in a file; none where it is damaged, of another version, or cannot be read."""
    try:
        if not file.is_file():  # to open a pipe would wait for ever
            return {}
        seal, _, body = file.read_bytes().partition(b"\n")
        return _unpacked(json.loads(body), version) if seal.decode() == digest(body) else {}
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return {}


def save(file: Path, answers: Mapping[str, Answer], version: str) -> None:
    """Write them, all or none. Raises OSError."""
    body = json.dumps(_packed(answers, version), separators=(",", ":")).encode()
    if not file.parent.is_dir():
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / ".gitignore").write_text("*\n")
    # no fsync: a file that a crash left half shows it by its seal
    temporary = file.with_name(f"{os.urandom(8).hex()}.tmp")
    try:
        temporary.write_bytes(f"{digest(body)}\n".encode() + body)
        os.replace(temporary, file)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _packed(answers: Mapping[str, Answer], version: str) -> dict[str, Any]:
    """Paths and sources as numbers into two tables."""
    paths: dict[str | None, int] = {None: 0}
    sources: dict[Source, int] = {}

    def number(path: str | None) -> int:
        return paths.setdefault(path, len(paths))

    def row(source: Source) -> tuple[object, ...]:
        lookups = {name: number(found) for name, found in source.lookups}
        return (number(source.path), source.digest, source.stamp, source.dots, lookups)

    table = [
        (number(path), [sources.setdefault(each, len(sources)) for each in answer.sources], answer.findings)
        for path, answer in answers.items()
    ]
    rows = [row(source) for source in sources]
    return {"version": version, "answers": table, "sources": rows, "paths": [*paths][1:]}


def _unpacked(packed: dict[str, Any], version: str) -> Answers:
    if packed.get("version") != version:
        return {}
    paths = [None, *packed["paths"]]
    sources = [
        Source(
            paths[path], known, stamp and tuple(stamp), dots, tuple((name, paths[at]) for name, at in lookups.items())
        )
        for path, known, stamp, dots, lookups in packed["sources"]
    ]
    return {
        paths[path]: Answer(tuple(sources[number] for number in numbers), findings)
        for path, numbers, findings in packed["answers"]
    }
