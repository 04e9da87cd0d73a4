"""All rules, one file each, found by walking this package. Reading them loads no LibCST."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from modscope.config import ALL, Config

if TYPE_CHECKING:
    from modscope.linter.rule import Rule


@cache
def names() -> tuple[str, ...]:
    """The names of all rules, without importing one."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


@cache
def load(name: str) -> Rule:
    """The rule of this name."""
    module = name.replace("-", "_")
    found: Rule = getattr(import_module(f"{__name__}.{module}"), module)
    return found


@dataclass(frozen=True)
class Selection:
    """The rules to run in a file: what its configuration says, without what `per-file-ignores` takes out."""

    config: Config
    ignored: frozenset[str] = frozenset()

    @cached_property
    def chosen(self) -> tuple[Rule, ...]:
        """These rules; loaded when a file first needs them."""
        every = [load(name) for name in names()]
        selected = self.config.selected({rule.name: rule.default for rule in every})
        off = selected if ALL in self.ignored else self.ignored
        return tuple(rule for rule in every if rule.name in selected - off)
