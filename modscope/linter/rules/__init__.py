"""All rules, one file each, found by walking this package. Reading them loads no LibCST."""

from __future__ import annotations

import ast
import pkgutil
import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from modscope.config import ALL, Config

if TYPE_CHECKING:
    from modscope.linter.rule import Rule

_loaded: dict[str, Rule] = {}
_DECORATOR = re.compile(r"^@rule\(.*?\)$(?=\ndef )", re.MULTILINE | re.DOTALL)


@cache
def names() -> tuple[str, ...]:
    """The names of all rules, without importing one."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


def load(name: str) -> Rule:
    """The rule of this name."""
    if name not in _loaded:
        _loaded[name] = getattr(import_module(f"{__name__}.{_module(name)}"), _module(name))
    return _loaded[name]


class Declared(NamedTuple):
    """What a rule's decorator says in literals."""

    default: bool
    words: tuple[str, ...]  # none also where they are no literal


@cache
def declared(name: str) -> Declared:
    """Read from the rule's source: to import all of them takes as long as to lint a file with one."""
    said: dict[str, Any] = {}
    try:
        written = _DECORATOR.search(Path(__path__[0], f"{_module(name)}.py").read_text(encoding="utf-8"))
    except OSError:  # a package in an archive
        written = None
    if written is None:
        return Declared(load(name).default, load(name).words)
    decorator: Any = ast.parse(written[0][1:], mode="eval").body
    for keyword in decorator.keywords:
        if keyword.arg in Declared._fields:
            try:
                said[keyword.arg] = ast.literal_eval(keyword.value)
            except ValueError:
                continue
    return Declared(said.get("default", True), said.get("words", ()))


def _module(name: str) -> str:
    return name.replace("-", "_")


@dataclass(frozen=True)
class Selection:
    """The rules to run in a file: what its configuration says, without what `per-file-ignores` takes out."""

    config: Config
    ignored: frozenset[str] = frozenset()

    @cached_property
    def names(self) -> frozenset[str]:
        """How they are called."""
        selected = self.config.selected({name: declared(name).default for name in names()})
        return selected - (selected if ALL in self.ignored else self.ignored)

    def speaking_of(self, text: str) -> tuple[Rule, ...]:
        """Those that can find something in a text, by the words they need, and what is loaded already."""
        return tuple(
            load(name)
            for name, words in self._words
            if not words or name in _loaded or any(word in text for word in words)
        )

    @cached_property
    def _words(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple((name, declared(name).words) for name in names() if name in self.names)
