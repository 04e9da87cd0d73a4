"""The files of a project, read when a name first leads to them and kept as facts; and which of them led to which."""

from __future__ import annotations

import ast

from modscope.linter.collecting import collect, highest_relative_import
from modscope.linter.facts import FileFacts
from modscope.linter.places import Place, Places
from modscope.linter.sources import Source, Stamp, digest, stamp
from modscope.linter.text import UnreadableSource, parse, read


class Library:
    """The files met so far; `remembers` says whether somebody will ask which of them an answer rests on."""

    def __init__(self, remembers: bool = False) -> None:
        self.remembers = remembers
        self._places = Places()
        self._files: dict[str, FileFacts | None] = {}
        self._contents: dict[str, tuple[str | None, Stamp | None]] = {}  # of a file: digest and stamp
        self._lookups: dict[str, dict[str, str | None]] = {}  # file -> module name -> the file it meant

    def add(self, tree: ast.Module, data: bytes, path: str, seen: Stamp | None = None) -> FileFacts:
        """The facts of a file (absolute path) that holds these bytes; its path may be "" for a text that has none."""
        if not path:
            return collect(tree, "", 0, Place("__main__", "", ()))
        self._note(path, data, seen)
        dots = highest_relative_import(tree, data)
        facts = collect(tree, path, dots, self._places.of(path, dots))
        self._files[path] = facts
        return facts

    def file(self, path: str) -> FileFacts | None:
        """The facts of another file; None where it cannot be read."""
        if path not in self._files:
            seen = stamp(path) if self.remembers else None
            try:
                data = read(path)
                self._note(path, data, seen)
                self.add(parse(data), data, path, seen)
            except UnreadableSource:
                self._files[path] = None
        return self._files[path]

    def module(self, name: str, near: FileFacts) -> FileFacts | None:
        """The file that `import name` reads from `near`, if it belongs to the same project."""
        if name == near.module:
            return near
        path = self._places.find(name, near.roots)
        self._lookups.setdefault(near.path, {})[name] = path
        return None if path is None else self.file(path)

    def sources(self, path: str, data: bytes, seen: Stamp | None) -> tuple[Source, ...]:
        """The file with these bytes, and all those that names led to from it, directly or through one another."""
        self._note(path, data, seen)
        reached = [path]
        met = set(reached)
        for each in reached:
            for found in self._lookups.get(each, {}).values():
                if found is not None and found not in met:
                    met.add(found)
                    reached.append(found)
        return tuple(map(self._source, reached))

    def _note(self, path: str, data: bytes, seen: Stamp | None) -> None:
        if self.remembers:
            self._contents[path] = digest(data), seen

    def _source(self, path: str) -> Source:
        facts = self._files.get(path)
        lookups = tuple(self._lookups.get(path, {}).items())
        return Source(path, *self._contents.get(path, (None, None)), facts.dots if facts else 0, lookups)
