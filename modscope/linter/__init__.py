"""Mistakes of nn.Module code, read in source and never imported."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from modscope.config import Config, finder
from modscope.findings import Report, Skip

if TYPE_CHECKING:
    from modscope.linter.cache import Cache
    from modscope.linter.pool import Work
    from modscope.linter.run import Outcome, Run

_WORTH = 1_500_000  # bytes of source for which one more process pays its start
_RISKY = 500_000  # bytes of a file that is read where it cannot take the run with it
Settings = Config | Callable[[Path], Config]  # for all files, or for the files of a folder


def lint(
    paths: Iterable[str | os.PathLike[str]],
    config: Settings | None = None,
    *,
    fix: Literal["safe", "unsafe"] | None = None,
    write: bool = True,
    cache: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    jobs: int | None = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> Report:
    """Findings in Python files, notebooks and folders; without `config`, each folder's nearest pyproject.toml holds.

    `fix` mends what has a fix of that level, on disk unless `write` is false; `cache` remembers answers in
    `cache_dir`, by default `.modscope_cache` here; `jobs` is the number of processes, None for as many as pay;
    `progress` is told how many files are done. Raises ModscopeError for a path that does not exist and for settings
    that say nothing.
    """
    from modscope.linter.files import find
    from modscope.linter.run import Run, room_for_trees

    settings = _by_folder(config)
    found = list(find(paths, settings))
    skipped = [each for each in found if isinstance(each, Skip)]
    work = [(number, path, settings(path.parent)) for number, path in enumerate(found) if isinstance(path, Path)]
    run = Run(fix, write, cache)
    outcomes: dict[int, Outcome] = {}
    with room_for_trees(), _answers(cache, cache_dir) as answers:
        for number, outcome in _outcomes(work, run, answers, jobs):
            outcomes[number] = outcome
            progress(len(outcomes))
    every = [outcomes[number] for number, _, _ in work]
    return Report(
        tuple(finding for outcome in every for finding in outcome.findings),
        len(every),
        (*skipped, *(outcome.skip for outcome in every if outcome.skip)),
        tuple(finding for outcome in every for finding in outcome.mended),
        tuple(outcome.rewrite for outcome in every if outcome.rewrite),
        sum(outcome.cached for outcome in every),
    )


def lint_source(
    text: str | bytes,
    *,
    filename: str = "<text>",
    config: Settings | None = None,
    fix: Literal["safe", "unsafe"] | None = None,
) -> Report:
    """Findings in one source text, or in the bytes of one file; imports are looked up from where `filename` lies."""
    from modscope.linter.files import excluded_by_force
    from modscope.linter.run import Run, room_for_trees

    path = Path(filename)
    settings = _by_folder(config)
    if excluded_by_force(path, settings):
        return Report(())
    data = text if isinstance(text, bytes) else text.encode()
    with room_for_trees():
        outcome = Run().data(data, path, settings(path.parent), fix)
    rewrites = () if outcome.rewrite is None else (outcome.rewrite,)
    return Report(outcome.findings, 1, fixed=outcome.mended, rewrites=rewrites)


@contextmanager
def _answers(cache: bool, folder: str | os.PathLike[str] | None) -> Iterator[Cache | None]:
    """The cache, written down in the end, also of a run that is interrupted."""
    if not cache:
        yield None
        return
    from modscope.linter.cache import FOLDER, Cache

    answers = Cache(Path(folder or FOLDER))
    try:
        yield answers
    finally:
        answers.save()


def _outcomes(work: list[Work], run: Run, answers: Cache | None, jobs: int | None) -> Iterator[tuple[int, Outcome]]:
    """The outcome of every file, as they come; those that the cache knows first."""
    from modscope.linter.run import Outcome

    if answers is None:
        yield from _linted(work, run, jobs)
        return
    left = []
    for each in work:
        number, path, config = each
        findings = answers.get(path, config)
        if findings is None or any(map(run.mends, findings)):
            left.append(each)
        else:
            yield number, Outcome(findings, cached=True)
    places = {number: (path, config) for number, path, config in left}
    for number, outcome in _linted(left, run, jobs):
        if outcome.sources:
            answers.put(*places[number], outcome.findings, outcome.sources)
            outcome = replace(outcome, sources=())
        yield number, outcome


def _linted(left: list[Work], run: Run, jobs: int | None) -> Iterator[tuple[int, Outcome]]:
    """The outcome of every file, linted here or, where that pays or is safer, in other processes."""
    sizes = {number: _size(path) for number, path, _ in left}
    if jobs is None:
        jobs = min(_cores(), sum(sizes.values()) // _WORTH)
    alone = [each for each in left if jobs > 1 or sizes[each[0]] > _RISKY]
    if alone:
        from modscope.linter.pool import spread

        yield from spread(alone, run, jobs)
    for number, path, config in left:
        if not (jobs > 1 or sizes[number] > _RISKY):
            yield number, run.file(path, config)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _by_folder(config: Settings | None) -> Callable[[Path], Config]:
    """The configuration of a folder; each is validated when it is first asked for, before a worker stumbles over it."""
    from modscope.linter import files, rules

    given: dict[int, Config] = {}

    def settings(folder: Path) -> Config:
        config = of_folder(folder)
        if id(config) not in given:
            config.validate(rules.names())
            files.validate(config)
            given[id(config)] = config
        return config

    of_folder = (lambda folder: config) if isinstance(config, Config) else config or finder()
    return settings
