"""Which classes are Modules, and what calling a name makes: resolved through imports and files, nothing executed."""

from __future__ import annotations

import ast
import builtins
import os
import sys
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modscope.linter.facts import ClassFacts, FileFacts, FunctionFacts, Scope, TableFacts, Targets
from modscope.linter.heritage import Heritage, Question
from modscope.linter.known import (
    MODULE_BASES,
    MODULE_KINDS,
    TORCH_NN,
    Kind,
    canonical,
    kind_by_name,
    kind_in_library,
)
from modscope.linter.library import Library

_BUILTINS = frozenset(dir(builtins))
_DEEPEST_FACTORY = 5  # functions returning what functions return
_MOST_STEPS = 100  # `x = x.y` in a package that imports itself leads ever on


@dataclass(frozen=True, slots=True)
class Found:
    """What a full name stands for in the end: its last name, and the class or function where a file has it."""

    name: str
    file: FileFacts | None = None
    what: ClassFacts | FunctionFacts | TableFacts | None = None


class Project:
    """Names and classes across files, and what has been found out about them."""

    def __init__(self, known_bases: frozenset[str], target_torch: tuple[int, int] | None, remembers: bool) -> None:
        self.library = Library(remembers)
        self.known_bases = MODULE_BASES | known_bases
        self.target_torch = target_torch  # the oldest torch that the code runs on; None: not said
        self.with_weights: dict[tuple[str, str], bool] = {}  # file and class -> what linter.weights has found out
        self._kinds: dict[tuple[str, str], Kind | None] = {}
        self._found_bases: dict[int, tuple[ClassFacts, list[list[Found]]]] = {}  # by the id of the class's facts
        self.heritage = Heritage(self)

    def view(self, tree: ast.Module, data: bytes, path: str) -> FileIndex:
        """The index as the file of this tree sees it; its path may be "" for a text that has none."""
        path = path and os.path.abspath(path)
        self.heritage.look_at(path, data)
        return FileIndex(self, self.library.add(tree, data, path))

    # ---- names

    def find(self, full: str, near: FileFacts) -> Found:
        """Follow a full name through re-exports to what it stands for."""
        first = Found(canonical(full))
        waiting = [(full, near)]
        seen: set[tuple[str, tuple[str, ...]]] = set()
        while waiting and len(seen) < _MOST_STEPS:
            full, near = waiting.pop()
            name = canonical(full)
            if kind_by_name(name) or name in self.known_bases:
                return Found(name)
            if (name, near.roots) in seen or name.partition(".")[0] in sys.stdlib_module_names:
                continue
            seen.add((name, near.roots))
            file, rest = self._split(name, near)
            if file is None:
                continue
            if what := file.classes.get(rest) or file.functions.get(rest) or file.tables.get(rest):
                return Found(f"{file.module}.{rest}", file, what)
            root, _, tail = rest.partition(".")
            targets = file.scope.bound.get(root)
            if targets is None:
                targets = tuple(f"{star}.{root}" for star in file.scope.stars if self._leads(star, rest, file))
            elif len(targets) > 1:
                continue
            for target in targets:
                if target is not None and target != name:
                    waiting.append((f"{target}.{tail}" if tail else target, file))
        return first

    def _leads(self, star: str, rest: str, near: FileFacts) -> bool:
        """Whether a star import may bring a name: from a file of the project, or as a class that is known by name."""
        known = canonical(f"{star}.{rest}")
        return known in TORCH_NN or known in self.known_bases or self.library.module(star, near) is not None

    def _split(self, full: str, near: FileFacts) -> tuple[FileFacts | None, str]:
        """The longest part of the name that is a file, and the rest."""
        module, _, rest = full.rpartition(".")
        while module:
            if file := self.library.module(module, near):
                return file, rest
            module, _, more = module.rpartition(".")
            rest = f"{more}.{rest}"
        return None, full

    # ---- kinds

    def kind(self, found: Found, depth: int = 0) -> Kind | None:
        """What calling this makes; None when that is not known."""
        if found.file is None:
            known = Kind.WEIGHTED if found.name in self.known_bases else kind_by_name(found.name)
            return known or kind_in_library(found.name)
        if isinstance(found.what, ClassFacts):
            return self.kind_of_class(found.file, found.what)
        if not isinstance(found.what, FunctionFacts) or depth > _DEEPEST_FACTORY:
            return None
        return self._kind_of_results(found.file, found.what, depth)

    def kind_of_entry(self, found: Found) -> Kind | None:
        """What calling a value of this dict makes."""
        if found.file is None or not isinstance(found.what, TableFacts):
            return None
        return self._kind_of_results(found.file, found.what, 0)

    def _kind_of_results(self, file: FileFacts, facts: FunctionFacts | TableFacts, depth: int) -> Kind | None:
        view = FileIndex(self, file)
        kinds: set[Kind | None] = set()
        for name in facts.returns:
            for full in view.targets(name.removesuffix("[]"), facts.scope) if name else (None,):
                found = full and self.find(full, file)
                if not (name and found):
                    kinds.add(None)
                else:
                    kinds.add(self.kind_of_entry(found) if name.endswith("[]") else self.kind(found, depth + 1))
        return common(kinds)

    def kind_of_class(self, file: FileFacts, facts: ClassFacts) -> Kind | None:
        """Whether a class is a Module, by its bases; without recursion, for chains may be long and may be circles."""
        stack = [(file, facts)]
        entered: set[tuple[str, str]] = set()
        while stack:
            at, cls = stack.pop()
            key = (at.path, cls.name)
            if key in self._kinds:
                continue
            bases = self._bases(at, cls)
            if key not in entered:
                entered.add(key)
                waiting = [base for base in self.bases(at, cls) if (base[0].path, base[1].name) not in entered]
                if waiting:
                    stack += [(at, cls), *waiting]
                    continue
            self._kinds[key] = self._kind_by_bases(bases)
        return self._kinds[file.path, facts.name]

    def ancestors(self, file: FileFacts, facts: ClassFacts) -> list[tuple[FileFacts, ClassFacts]]:
        """The classes of the project that a class inherits from, nearest first, each once."""
        found = [(file, facts)]
        seen = {(file.path, facts.name)}
        for at, cls in found:
            for base_file, base in self.bases(at, cls):
                if (base_file.path, base.name) not in seen:
                    seen.add((base_file.path, base.name))
                    found.append((base_file, base))
        return found[1:]

    def registered(self, file: FileFacts, facts: ClassFacts) -> dict[str, Kind | None]:
        """The attributes that a class's own methods set to a Module or a parameter."""
        view = FileIndex(self, file)
        kinds = {
            name: self.kind(self.find(full, file))
            for name, called in facts.assigned
            if called and (full := view.resolve(called, facts.scope, from_method=True))
        }
        return {name: kind for name, kind in kinds.items() if kind in MODULE_KINDS or kind is Kind.PARAMETER}

    def bases(self, file: FileFacts, facts: ClassFacts) -> list[tuple[FileFacts, ClassFacts]]:
        """The classes of the project that a class names as its bases."""
        every = (each for bases in self._bases(file, facts) for each in bases)
        return [(each.file, each.what) for each in every if each.file and isinstance(each.what, ClassFacts)]

    def _bases(self, file: FileFacts, facts: ClassFacts) -> list[list[Found]]:
        """For each base whatever it may stand for."""
        if id(facts) not in self._found_bases:
            view = FileIndex(self, file)
            found = [
                [self.find(full or "", file) for full in view.targets(base, facts.scope)]
                for base in facts.bases
                if base
            ]
            self._found_bases[id(facts)] = facts, found
        return self._found_bases[id(facts)][1]

    def _kind_by_bases(self, bases: list[list[Found]]) -> Kind | None:
        kinds = set()
        for base in bases:
            kinds.add(
                common(
                    self._kinds.get((found.file.path, found.what.name))
                    if found.file and isinstance(found.what, ClassFacts)
                    else self.kind(found)
                    for found in base
                )
            )
        if kinds & MODULE_KINDS:
            return Kind.WEIGHTED
        return Kind.PARAMETER if Kind.PARAMETER in kinds else None


class FileIndex:
    """The index as one file sees it."""

    def __init__(self, project: Project, facts: FileFacts) -> None:
        self.project = project
        self.facts = facts
        self._found: dict[str, Found] = {}
        self._spellings: dict[int, tuple[Scope, Mapping[str, list[str]]]] = {}  # by the scope's id

    def find(self, full: str) -> Found:
        """What a full name stands for, through every re-export."""
        if full not in self._found:
            found = self._found[full] = self.project.find(full, self.facts)
            if found.file is not None:
                self._found.setdefault(found.name, found)  # which may be no name from here: `models` has no __init__.py
        return self._found[full]

    def name(self, targets: Targets, rest: str = "") -> str | None:
        """The one name that all targets stand for, followed by `.rest`."""
        names = {target and self.find(f"{target}.{rest}" if rest else target).name for target in targets}
        return names.pop() if len(names) == 1 else None

    def targets(self, written: str, scope: Scope, *, from_method: bool = False) -> Targets:
        """Whatever a dotted name, as written in a scope, may stand for: full names."""
        root, _, rest = written.partition(".")
        targets = scope.find(root, from_method=from_method)
        if targets is None:
            modules = (each for each in scope.all_stars() if each != "torch.nn" or root not in _BUILTINS)
            stars = [self.find(f"{module}.{root}") for module in modules]
            known = [found.name for found in stars if found.what or kind_by_name(found.name)]
            if known or root in _BUILTINS:
                targets = (known[0] if known else f"builtins.{root}",)
            else:
                return (None,)
        return tuple(target and (f"{target}.{rest}" if rest else target) for target in targets)

    def resolve(self, written: str, scope: Scope, *, from_method: bool = False) -> str | None:
        """The full name of a dotted name as written in a scope; None when it is unknown or ambiguous."""
        return self.name(self.targets(written, scope, from_method=from_method))

    def kind(self, full: str) -> Kind | None:
        """What calling this full name makes; None when that is not known."""
        return self.project.kind(self.find(full))

    def is_module(self, facts: ClassFacts) -> bool:
        """Whether a class of this file inherits from torch.nn.Module, as far as its bases can be read."""
        return self.project.kind_of_class(self.facts, facts) in MODULE_KINDS

    def ancestors(self, facts: ClassFacts) -> list[tuple[FileFacts, ClassFacts]]:
        """The class's own project bases and theirs, nearest first, each once."""
        return self.project.ancestors(self.facts, facts)

    def inherited(self, question: Question, facts: ClassFacts) -> ChainMap[Any, Any]:
        """What the project's bases of a class of this file say to a question, the nearest first."""
        return self.project.heritage.of(question, self.facts, facts)

    def spell(self, name: str, scope: Scope) -> str | None:
        """How code in this scope writes a full name, by the shortest import that reaches it."""
        ways: list[str] = []
        parts = name.split(".")
        around: Scope | None = scope
        while around is not None:
            names = self._names_in(around)
            for count in range(1, len(parts) + 1):
                ways += (".".join((local, *parts[count:])) for local in names.get(".".join(parts[:count]), ()))
            around = around.outer
        if not ways and scope.find(name.rpartition(".")[2]) is None:
            ways.append(name.rpartition(".")[2])  # a star import may bring it
        right = [way for way in ways if self.resolve(way, scope, from_method=True) == name]
        return min(right, key=len, default=None)

    def _names_in(self, scope: Scope) -> Mapping[str, list[str]]:
        """Full name -> the names of a scope that stand for it alone."""
        if id(scope) not in self._spellings:
            names: dict[str, list[str]] = {}
            for local, targets in scope.bound.items():
                if len(targets) == 1 and targets[0] is not None:
                    names.setdefault(canonical(targets[0]), []).append(local)
            self._spellings[id(scope)] = scope, names
        return self._spellings[id(scope)][1]


def common(kinds: Iterable[Kind | None]) -> Kind | None:
    """The kind of something that may be any of these: None unless all are Modules, or all the same."""
    every = set(kinds)
    if len(every) == 1:
        return every.pop()
    return Kind.WEIGHTED if every and every <= MODULE_KINDS else None
