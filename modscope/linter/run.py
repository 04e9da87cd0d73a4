"""Many files -> one Report: each answered from the cache, else linted, mended if asked, and written whole."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from modscope.config import Config
from modscope.errors import ModscopeError
from modscope.findings import Finding, Rewrite, Skip
from modscope.linter import rules
from modscope.linter.sources import Source, stamp
from modscope.linter.text import UnreadableSource, read

if TYPE_CHECKING:
    from modscope.linter.index import Project

Level = Literal["safe", "unsafe"]
_RECURSION = 20_000


@contextmanager
def room_for_trees() -> Iterator[None]:
    """While files are linted: no collector, for trees hold no circles and looking for some takes a quarter of the time;
    and a deep stack, for LibCST goes through a tree by recursion, and Python's own frames need no stack of the machine.

    What has come meanwhile counts as old: otherwise the collector would look through all of it as soon as it may.
    """
    collects, limit = gc.isenabled(), sys.getrecursionlimit()
    gc.disable()
    sys.setrecursionlimit(max(limit, _RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
        if collects:
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one file."""

    findings: tuple[Finding, ...] = ()
    mended: tuple[Finding, ...] = ()
    rewrite: Rewrite | None = None
    skip: Skip | None = None
    cached: bool = False
    sources: tuple[Source, ...] = ()  # what the findings rest on, for the cache; none where they are not to be kept


class Run:
    """One linting of many files; what one file teaches about a class, the next one knows."""

    def __init__(self, fix: Level | None = None, write: bool = True, remembers: bool = False) -> None:
        self.fix = fix
        self.write = write
        self.remembers = remembers  # whether outcomes tell their sources
        self._projects: dict[tuple[tuple[str, ...], tuple[int, int] | None], Project] = {}
        self._rules: dict[tuple[Config, frozenset[str]], rules.Selection] = {}

    def mends(self, finding: Finding) -> bool:
        """Whether it has a fix that is wanted."""
        return self.fix is not None and finding.fix is not None and (finding.fix.safe or self.fix == "unsafe")

    def file(self, path: Path, config: Config) -> Outcome:
        """Lint one file, mend it if asked."""
        seen = stamp(path) if self.remembers else None
        try:
            data = read(str(path))
        except UnreadableSource as error:
            if not os.path.lexists(path):
                return Outcome(skip=Skip(str(path), "it is no longer there"))
            return Outcome((error.finding(str(path)),))
        outcome = self.data(data, path, config, self.fix)
        if outcome.rewrite is None:
            if self.remembers:
                sources = self._project(config).library.sources(os.path.abspath(path), data, seen)
                return replace(outcome, sources=sources)
        elif self.write:
            from modscope import atomic

            try:
                atomic.write(path, outcome.rewrite.after)
            except ModscopeError as error:
                return replace(self.data(data, path, config, None), skip=Skip(str(path), str(error)))
        return outcome

    def data(self, data: bytes, path: Path, config: Config, fix: Level | None) -> Outcome:
        """Lint the bytes of one file, which need not be on disk."""
        from modscope.linter.engine import check
        from modscope.linter.files import ignored_rules

        name = str(path)
        chosen = self._chosen(config, ignored_rules(path, config))
        project = self._project(config)
        place = "" if name.startswith("<") else name  # a text without a file has no neighbours

        def examine(data: bytes) -> list[Finding]:
            return [each for each in check(data, name, chosen, project, place) if each.rule not in config.ignore]

        if fix is None or name.endswith(".ipynb"):
            return Outcome(tuple(examine(data)))
        from modscope.linter.mending import mend

        after, mended, findings = mend(data, examine, fix)
        return Outcome(tuple(findings), tuple(mended), Rewrite(name, data, after) if mended else None)

    def _chosen(self, config: Config, ignored: frozenset[str]) -> rules.Selection:
        key = (config, ignored)
        if key not in self._rules:
            self._rules[key] = rules.Selection(config, ignored)
        return self._rules[key]

    def _project(self, config: Config) -> Project:
        from modscope.linter.index import Project

        key = (config.known_module_bases, config.target_torch)
        if key not in self._projects:
            self._projects[key] = Project(frozenset(config.known_module_bases), config.target_torch, self.remembers)
        return self._projects[key]
