"""`[tool.modscope]` of a pyproject.toml -> frozen Config. Standard library only; rules are names, nothing more."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from modscope.errors import ModscopeError

ALL = "ALL"
Names = tuple[str, ...]

# ruff's list, so that one tree has one idea of what is source.
DEFAULT_EXCLUDE: Names = (
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".git-rewrite",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pants.d",
    ".pyenv",
    ".pytest_cache",
    ".pytype",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    ".vscode",
    "__pypackages__",
    "_build",
    "buck-out",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
)


@dataclass(frozen=True, slots=True)
class Config:
    """How to lint. Hashable; its `repr` says all that can change an answer.

    Patterns are .gitignore lines relative to `root`; `{a,b}` is already spelt out.
    """

    file: str | None = field(default=None, compare=False, repr=False)  # where it was read, for messages
    root: str | None = None  # folder the patterns are relative to; None: the working directory
    select: Names | None = None  # None: the rules that are on by default
    extend_select: Names = ()
    ignore: Names = ()
    per_file_ignores: tuple[tuple[str, Names], ...] = ()  # (pattern, rules), in the order written
    exclude: Names = DEFAULT_EXCLUDE
    extend_exclude: Names = ()
    force_exclude: bool = False  # exclude files that were named one by one too
    respect_gitignore: bool = True
    known_module_bases: Names = ()  # qualified names of classes that are Modules, beyond the built-in table
    target_torch: tuple[int, int] | None = None  # the oldest torch the code runs on; None: any that modscope knows

    def selected(self, rules: Mapping[str, bool]) -> frozenset[str]:
        """The rules to run, out of all there are (name -> on by default).

        As in ruff: `ignore` beats `select` for the same name, and a name beats "ALL".
        ModscopeError names a rule that does not exist, where it stands, and the nearest that does.
        """
        self.validate(rules)
        wanted = (*(self.select or ()), *self.extend_select)
        if ALL in self.ignore:
            chosen = set()
        elif ALL in wanted:
            chosen = set(rules)
        elif self.select is None:
            chosen = {name for name, on in rules.items() if on}
        else:
            chosen = set()
        return frozenset(chosen.union(wanted).difference(self.ignore, [ALL]))

    def validate(self, rules: Collection[str]) -> None:
        """Raise ModscopeError for the first name that is neither a rule nor "ALL"."""
        asked = {
            "select": self.select or (),
            "extend-select": self.extend_select,
            "ignore": self.ignore,
            **{f"per-file-ignores.{pattern!r}": names for pattern, names in self.per_file_ignores},
        }
        for key, names in asked.items():
            for name in names:
                if name != ALL and name not in rules:
                    where = f"{self.file}: {key}" if self.file else key
                    hint = nearest(name, [*rules, ALL])
                    raise ModscopeError(f"{where}: no rule {name!r}{hint}. `modscope explain` lists all rules.")

    def override(
        self,
        *,
        select: Names | None = None,
        extend_select: Names = (),
        ignore: Names = (),
        per_file_ignores: Names | None = None,
        exclude: Names | None = None,
        extend_exclude: Names = (),
        force_exclude: bool = False,
    ) -> Config:
        """This config below what the command line says; `per_file_ignores` as "pattern:rule".

        A new `select` starts from nothing; `extend_select` and `ignore` add to what was there and win over it. New
        `exclude` and `per_file_ignores` replace what was there.
        """
        below = replace(
            self,
            per_file_ignores=self.per_file_ignores if per_file_ignores is None else tuple(_pairs(per_file_ignores)),
            exclude=self.exclude if exclude is None else tuple(_spelt(exclude)),
            extend_exclude=(*self.extend_exclude, *_spelt(extend_exclude)),
            force_exclude=self.force_exclude or force_exclude,
        )
        if select is not None:
            return replace(below, select=select, extend_select=extend_select, ignore=ignore)
        again = set(extend_select)
        ignored = () if ALL in again else tuple(name for name in self.ignore if name not in again)
        return replace(below, extend_select=(*self.extend_select, *extend_select), ignore=(*ignored, *ignore))


def load(file: str | Path, root: str | Path | None = None) -> Config:
    """The Config in a TOML file; patterns are relative to `root`, else to the file's folder.

    ModscopeError says file, key and what is possible when the file cannot be read or says what nobody knows.
    """
    path = Path(file)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ModscopeError(f"cannot read the configuration {str(path)!r}: {error.strerror or error}") from None
    return _parse(text, path, Path(root) if root is not None else path.parent)


def finder(**above: Any) -> Callable[[Path], Config]:
    """Folder -> the Config that holds there: of the nearest pyproject.toml with [tool.modscope], below `above`.

    `above` is what `Config.override` takes. Each folder is looked into once.
    """

    @cache
    def nearest_above(folder: Path) -> Config:
        found = _own(folder)
        if found is None and folder != folder.parent:
            return nearest_above(folder.parent)
        return (found or Config()).override(**above)

    return lambda folder: nearest_above(folder.absolute())


def find(folder: str | Path) -> Config:
    """The Config that holds in a folder."""
    return finder()(Path(folder))


def _own(folder: Path) -> Config | None:
    file = folder / "pyproject.toml"
    try:
        text = file.read_bytes() if file.is_file() else b""
    except OSError:
        return None
    # A file that does not name modscope is no business of ours, malformed or not.
    table = _table(text, file) if b"modscope" in text else None
    return None if table is None else _read(table, file, folder)


def nearest(name: str, known: Collection[str]) -> str:
    """`; the nearest is …` for a message, or nothing when no known name is near."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; the nearest is {close[0]!r}" if close else ""


def _parse(text: bytes, file: Path, root: Path) -> Config:
    table = _table(text, file)
    return Config(root=str(root.absolute())) if table is None else _read(table, file, root)


def _table(text: bytes, file: Path) -> dict[str, Any] | None:
    """[tool.modscope], or None where there is none."""
    import tomllib  # here, because most files are linted without one

    try:
        document = tomllib.loads(text.decode())
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ModscopeError(f"{file}:{line}: TOML must be UTF-8; byte {text[error.start]:#04x} is not") from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", str(error))
        line = int(place[1]) if place and place[1] else text.count(b"\n") + 1
        raise ModscopeError(f"{file}:{line}: not valid TOML: {error}") from None
    except RecursionError:
        raise ModscopeError(f"{file}: nested too deeply to be read") from None
    tool = document.get("tool")
    table = tool.get("modscope") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ModscopeError(f"{file}: tool.modscope must be a table, not {table!r}")
    return table


def _read(table: dict[str, Any], file: Path, root: Path) -> Config:
    """Keys may stand in [tool.modscope] or in [tool.modscope.lint], as in ruff; each in one of them."""
    lint = table.get("lint", {})
    if not isinstance(lint, dict):
        raise ModscopeError(f"{file}: tool.modscope.lint must be a table, not {lint!r}")
    values: dict[str, Any] = {}
    outer = {key: value for key, value in table.items() if key != "lint"}
    for prefix, section in (("tool.modscope", outer), ("tool.modscope.lint", lint)):
        for key, value in section.items():
            if key not in _READERS:
                hint = nearest(key, _READERS)
                raise ModscopeError(
                    f"{file}: no setting {prefix}.{key}{hint}. Settings: {', '.join(sorted(_READERS))}."
                )
            if key in values:
                raise ModscopeError(f"{file}: {key} stands in both [tool.modscope] and [tool.modscope.lint]; keep one")
            try:
                values[key] = _READERS[key](value)
            except ValueError as error:
                raise ModscopeError(f"{file}: {prefix}.{key} must be {error}, not {value!r}") from None
    return Config(str(file), str(root.absolute()), **{key.replace("-", "_"): value for key, value in values.items()})


def _names(value: object) -> Names:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("a list of strings")
    return tuple(value)


def _patterns(value: object) -> Names:
    return tuple(_spelt(_names(value)))


def _spelt(patterns: Names) -> Iterator[str]:
    return chain.from_iterable(map(alternatives, patterns))


def _pairs(given: Names) -> Iterator[tuple[str, Names]]:
    for each in given:
        pattern, colon, rule = each.rpartition(":")
        if not (colon and pattern and rule.strip()):
            raise ModscopeError(f"per-file-ignores must be pattern:rule, not {each!r}")
        yield from ((spelt, (rule.strip(),)) for spelt in alternatives(pattern.strip()))


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _per_file_ignores(value: object) -> tuple[tuple[str, Names], ...]:
    if not isinstance(value, dict):
        raise ValueError("a table of pattern = [rules]")
    try:
        return tuple((spelt, _names(names)) for pattern, names in value.items() for spelt in alternatives(pattern))
    except ValueError:
        raise ValueError("a table of pattern = [rules]") from None


def _version(value: object) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)\.(\d+)(?:\.\d+)?", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('a version in quotes, as "2.6"')
    return int(match[1]), int(match[2])


_READERS: dict[str, Callable[[object], Any]] = {
    "select": _names,
    "extend-select": _names,
    "ignore": _names,
    "per-file-ignores": _per_file_ignores,
    "exclude": _patterns,
    "extend-exclude": _patterns,
    "force-exclude": _boolean,
    "respect-gitignore": _boolean,
    "known-module-bases": _names,
    "target-torch": _version,
}


def alternatives(pattern: str) -> Names:
    """`{a,b}` spelt out, because .gitignore patterns do not know it: "**/{tests,docs}/*" -> two patterns."""
    spelt = [pattern]
    while any(_BRACES.search(each) for each in spelt):
        if len(spelt) > _MOST_ALTERNATIVES:
            raise ValueError(f"patterns of at most {_MOST_ALTERNATIVES} alternatives")
        spelt = [
            each[: found.start()] + choice + each[found.end() :] if found else each
            for each in spelt
            for found in [_BRACES.search(each)]
            for choice in (found[1].split(",") if found else [""])
        ]
    return tuple(spelt)


_BRACES = re.compile(r"\{([^{}]*)\}")
_MOST_ALTERNATIVES = 1000
