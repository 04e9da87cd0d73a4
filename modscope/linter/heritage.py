"""What classes have from their bases: each tells its own once, and a chain of ten thousand hands it down in layers.

An heir asks the layers above it, the nearest first. Small ones are put together as they come, so that there are never
more than a few, and nothing is written anew for every heir.
"""

from __future__ import annotations

import ast
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from modscope.linter.facts import ClassFacts, FileFacts, lines, statements
from modscope.linter.text import UnreadableSource, parse, read

if TYPE_CHECKING:
    from modscope.linter.index import Project

Class = tuple[FileFacts, ClassFacts]
Question = Callable[["Project", FileFacts, ClassFacts], dict[Any, Any]]  # what one class says for itself
Layers = tuple[dict[Any, Any], ...]
_MOST_LAYERS = 30
_MOST_FILES = 4  # whose trees are kept for the next question


class Heritage:
    """What is handed down in one project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._handed: dict[tuple[Question, int], tuple[ClassFacts, Layers]] = {}  # by the id of the class's facts
        self._trees: dict[str, Mapping[tuple[int, int], ast.ClassDef]] = {}  # the lines of a class -> its statement
        self._looked_at = ("", b"")

    def look_at(self, path: str, data: bytes) -> None:
        """From now on these are the bytes of a file, whatever is on disk."""
        self._looked_at = path, data
        self._trees.pop(path, None)

    def of(self, question: Question, file: FileFacts, facts: ClassFacts) -> ChainMap[Any, Any]:
        """What the bases of a class and theirs say to a question, the nearest first. It is not to be changed."""
        return ChainMap(*self._above(question, file, facts))

    def definition(self, file: FileFacts, facts: ClassFacts) -> ast.ClassDef | None:
        """The class statement; None where its file cannot be read."""
        if file.path not in self._trees:
            if len(self._trees) == _MOST_FILES:
                del self._trees[next(iter(self._trees))]
            self._trees[file.path] = self._read(file.path)
        return self._trees[file.path].get(facts.lines)

    def _read(self, path: str) -> Mapping[tuple[int, int], ast.ClassDef]:
        try:
            tree = parse(self._looked_at[1] if path == self._looked_at[0] else read(path))
        except UnreadableSource:
            return {}
        return {lines(node): node for node in statements(tree.body, deep=True) if isinstance(node, ast.ClassDef)}

    def _above(self, question: Question, file: FileFacts, facts: ClassFacts) -> Layers:
        """Without recursion, for chains may be long and may be circles."""
        bases = self._project.bases(file, facts)
        stack = [*bases]
        entered: set[int] = set()
        while stack:
            at, cls = stack.pop()
            if (question, id(cls)) in self._handed:
                continue
            above = self._project.bases(at, cls)
            waiting = [base for base in above if id(base[1]) not in entered] if id(cls) not in entered else []
            entered.add(id(cls))
            if waiting:
                stack += [(at, cls), *waiting]
            else:
                layers = _together([question(self._project, at, cls), *self._known(question, above)])
                self._handed[question, id(cls)] = cls, layers
        return _together(self._known(question, bases))

    def _known(self, question: Question, classes: Iterable[Class]) -> list[dict[Any, Any]]:
        found = (self._handed.get((question, id(facts))) for _, facts in classes)
        layers = {id(layer): layer for handed in found if handed for layer in handed[1]}
        return [*layers.values()]


def methods(project: Project, file: FileFacts, facts: ClassFacts) -> dict[str, None]:
    """The question which methods a class defines."""
    return dict.fromkeys(facts.methods)


def _together(layers: list[dict[Any, Any]]) -> Layers:
    """The same in fewer layers: the first is put into the next while that is no larger, as one counts in binary."""
    layers = [layer for layer in layers if layer]
    if len(layers) > _MOST_LAYERS:
        return (dict(ChainMap(*layers)),)
    while len(layers) > 1 and len(layers[0]) >= len(layers[1]):
        layers[:2] = [{**layers[1], **layers[0]}]
    return tuple(layers)
