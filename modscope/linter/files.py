"""Which files to lint: those named, and those found in the folders named, without what is excluded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from modscope.config import Config, Names
from modscope.errors import ModscopeError
from modscope.findings import Skip

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_NAME = re.compile(r"[\w.-]+")
_STARS = re.compile(r"\*+")
MOST_STARS = 4  # in one name of a pattern: with each more, a long name may take a hundred times as long
ENDINGS = (".py", ".pyi", ".ipynb")
Settings = Callable[[Path], Config]  # the configuration that holds in a folder


def find(paths: Iterable[str | os.PathLike[str]], settings: Settings) -> Iterator[Path | Skip]:
    """The files in their order, each once; a folder that cannot be read is a Skip.

    Files named one by one are taken as they are, unless `force-exclude` is set. Links to folders are not followed.
    Raises ModscopeError for a path that does not exist.
    """
    seen: set[str] = set()
    for top in map(Path, paths):
        if not os.path.lexists(top):
            raise ModscopeError(f"no such file or folder: {str(top)!r}")
        if excluded_by_force(top, settings):
            continue
        # two ways to one file are one file: a link beside it, an argument given twice
        for key, found in _below(top, settings) if top.is_dir() else [(os.path.realpath(top), top)]:
            if key not in seen:
                seen.add(key)
                yield found


def _below(top: Path, settings: Settings) -> Iterator[tuple[str, Path | Skip]]:
    """The files below a folder, by name; each after the path that it has without links.

    A folder that was asked for is looked into also where a pattern leaves it out; the patterns then start there.
    """
    config = settings(top)
    anyway = top if config.root and excluded(top, True, config) else None
    outer = _gitignores(top) if config.respect_gitignore else ()
    stack = [(top, () if _ignored(top, True, outer) else outer)]
    while stack:
        folder, ignores = stack.pop()
        config = settings(folder)
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield str(folder), Skip(str(folder), f"cannot be listed: {error.strerror or error}")
            continue
        if config.respect_gitignore and any(entry.name == ".gitignore" for entry in listed):
            ignores = (*ignores, *_own_gitignore(folder))
        real = os.path.realpath(folder)
        leaves_out = _leaving_out(folder, config, anyway or Path(config.root or top), ignores)
        folders = []
        for entry in listed:
            is_folder = entry.is_dir(follow_symlinks=False)
            if not is_folder and not entry.name.endswith(ENDINGS):
                continue
            if (entry.is_symlink() and os.path.isdir(entry.path)) or leaves_out(entry.name + "/" * is_folder):
                continue
            path = folder / entry.name
            if is_folder:
                folders.append((path, ignores))
            else:
                yield os.path.realpath(path) if entry.is_symlink() else os.path.join(real, entry.name), path
        stack += reversed(folders)


def _leaving_out(folder: Path, config: Config, root: Path, ignores: Ignores) -> Callable[[str], bool]:
    """Whether patterns leave out what lies in a folder, by its name there; a folder's name ends in a slash.

    The folder itself was let in, so of a pattern that is a mere name only the last part of a path needs to be asked.
    """
    inside = _inside(folder, root)
    names, others = _by_name(_excludes(config))
    near = [(above, spec) for at, spec in reversed(ignores) if (above := _inside(folder, at)) is not None]

    def leaves_out(name: str) -> bool:
        if inside is not None and (name.rstrip("/") in names or (others and _spec(others).match_file(inside + name))):
            return True
        said = (spec.check_file(above + name).include for above, spec in near)
        return next((each for each in said if each is not None), False)

    return leaves_out


def excluded(path: Path, is_folder: bool, config: Config, root: Path | None = None) -> bool:
    """Whether the `exclude` patterns leave a path out, relative to `root` or else the configuration's."""
    name = _relative(path, root or Path(config.root or "."))
    return name is not None and bool(_spec(_excludes(config)).match_file(name + "/" * is_folder))


@cache
def _by_name(patterns: Names) -> tuple[frozenset[str], Names]:
    """Those that are a mere name, and the others; all are others where one lets in again what another leaves out."""
    again = any(each.startswith("!") for each in patterns)
    names = frozenset() if again else frozenset(filter(_NAME.fullmatch, patterns))
    return names, tuple(each for each in patterns if each not in names)


def _excludes(config: Config) -> Names:
    return tuple(map(_from_here, (*config.exclude, *config.extend_exclude)))


def ignored_rules(path: Path, config: Config) -> frozenset[str]:
    """The rules that `per-file-ignores` switches off in a file."""
    name = _relative(path, Path(config.root or ".")) if config.per_file_ignores else None
    if name is None:
        return frozenset()
    return frozenset(
        rule
        for pattern, rules in config.per_file_ignores
        if _spec((_from_here(pattern),)).match_file(name)
        for rule in rules
    )


def _from_here(pattern: str) -> str:
    """`./build` as gitignore's patterns have it: `/build`."""
    return pattern[1:] if pattern.startswith("./") else pattern


def excluded_by_force(path: Path, settings: Settings) -> bool:
    """Whether a path is left out though it was named itself."""
    config = settings(path if path.is_dir() else path.parent)
    if not config.force_exclude:
        return False
    if excluded(path, path.is_dir(), config) or any(excluded(above, True, config) for above in path.parents):
        return True
    ignores = _gitignores(path) if config.respect_gitignore else ()
    return any(_ignored(each, each != path or path.is_dir(), ignores) for each in (path, *path.absolute().parents))


def _relative(path: Path, root: Path) -> str | None:
    return (_inside(path, root) or "")[:-1] or None


def _inside(folder: Path, root: Path) -> str | None:
    """What stands before the names in a folder, seen from another one; None for one that lies outside it."""
    name = os.path.relpath(folder, root).replace(os.sep, "/")
    return "" if name == "." else None if name.startswith("../") or name == ".." else f"{name}/"


def validate(config: Config) -> None:
    """Raise ModscopeError for the first pattern that is none."""
    asked = {
        "exclude": config.exclude,
        "extend-exclude": config.extend_exclude,
        "per-file-ignores": tuple(pattern for pattern, _ in config.per_file_ignores),
    }
    for key, patterns in asked.items():
        for pattern in patterns:
            if not (_NAME.fullmatch(pattern) or _is_pattern(pattern)):
                where = f"{config.file}: {key}" if config.file else key
                most = f"with at most {MOST_STARS} stars in a name"
                raise ModscopeError(f"{where}: {pattern!r} is no pattern as .gitignore has them, {most}")


def _is_pattern(line: str) -> bool:
    try:
        _spec((line,))
    except (ValueError, re.error):
        return False
    return True


@cache
def _spec(lines: tuple[str, ...]) -> GitIgnoreSpec:
    """Raises ValueError or re.error where one of them is no pattern, or one that may take for ever."""
    for line in lines:
        if max(len(_STARS.findall(part)) for part in line.split("/")) > MOST_STARS and not line.startswith("#"):
            raise ValueError(f"more than {MOST_STARS} stars in a name")
    from pathspec import GitIgnoreSpec  # 20 ms, and files named one by one do not need it

    return GitIgnoreSpec.from_lines(lines)


Ignores = tuple[tuple[Path, "GitIgnoreSpec"], ...]  # each .gitignore with its folder, the outermost first


def _gitignores(path: Path) -> Ignores:
    """The .gitignore files above a path, up to the repository's root; none outside a repository."""
    above = path.absolute().parents
    for number, folder in enumerate(above):
        if (folder / ".git").exists():
            return tuple(each for one in reversed(above[: number + 1]) for each in _own_gitignore(one))
    return ()


def _own_gitignore(folder: Path) -> Ignores:
    file = folder / ".gitignore"
    try:
        data = file.read_bytes() if file.is_file() else b""  # to open a pipe would wait for ever
    except OSError:
        return ()
    text = data.decode("utf-8-sig", "surrogateescape")
    lines = tuple(line.removesuffix("\r") for line in text.split("\n"))
    try:
        return ((folder, _spec(lines)),)
    except (ValueError, re.error):  # as git does: what is no pattern leaves out nothing, the others stand
        return ((folder, _spec(tuple(filter(_is_pattern, lines)))),)


def _ignored(path: Path, is_folder: bool, ignores: Ignores) -> bool:
    """What the innermost .gitignore that speaks of a path says."""
    for folder, spec in reversed(ignores):
        name = _relative(path, folder)
        said = spec.check_file(name + "/" * is_folder).include if name else None
        if said is not None:
            return said
    return False
