"""The LibCST side: classes and statements that a rule's trigger picked are parsed, looked at, and reported on."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

from modscope.findings import Finding
from modscope.linter import fixes
from modscope.linter.candidate import Candidate
from modscope.linter.facts import ClassFacts, lines, statements
from modscope.linter.guards import Refusal
from modscope.linter.index import FileIndex
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Rule
from modscope.linter.slices import Slice
from modscope.linter.statement import Statement
from modscope.linter.statements import Owner, Statements
from modscope.linter.text import SourceText, UnreadableSource


def examine(
    source: SourceText, tree: ast.Module, index: FileIndex, modules: Iterable[ClassFacts], rules: Iterable[Rule]
) -> Iterator[Finding]:
    """What the rules find in these Module classes, and in the statements of the file."""
    rules = list(rules)
    for candidate in _candidates(source, tree, index, modules):
        yield from _in_class(candidate, source, tree, [rule for rule in rules if rule.looks_at == "class"])
    every = Statements(source, tree, index)
    for rule in rules:
        if rule.looks_at == "statement":
            yield from _in_statements(rule, every)


def _candidates(
    source: SourceText, tree: ast.Module, index: FileIndex, modules: Iterable[ClassFacts]
) -> Iterator[Candidate]:
    by_lines = {facts.lines: facts for facts in modules}
    firsts = sorted(first for first, _ in by_lines)
    waiting = [tree.body] if firsts else []
    while waiting:
        for node in statements(waiting.pop()):
            if not isinstance(node, Owner):
                continue
            if isinstance(node, ast.ClassDef) and (facts := by_lines.get(lines(node))):
                yield Candidate(facts, node, source.lines(*facts.lines), index)
            if bisect_right(firsts, node.lineno) < bisect_right(firsts, node.end_lineno or 0):
                waiting.append(node.body)


def _in_class(candidate: Candidate, source: SourceText, tree: ast.Module, rules: list[Rule]) -> Iterator[Finding]:
    wanted = [rule for rule in rules if _triggers(rule, candidate)]
    if not wanted:
        return
    try:
        piece = Slice.of_class(source, candidate)
    except UnreadableSource as error:
        yield error.finding(source.file)
        return
    module = ModuleClass(piece.node, candidate.facts, candidate.index, source.text)
    sight = _Sight(module, piece, tree)
    for rule in wanted:
        yield from _findings(rule, sight)


def _triggers(rule: Rule, candidate: Candidate) -> bool:
    if rule.words and not any(word in candidate.text for word in rule.words):
        return False
    if isinstance(rule.trigger, str):
        return re.search(rule.trigger, candidate.text) is not None
    return rule.trigger is None or candidate.once(rule.trigger)


def _in_statements(rule: Rule, every: Statements) -> Iterator[Finding]:
    text = every.source.text
    if rule.words and not any(word in text for word in rule.words):
        return
    assert isinstance(rule.trigger, str), f"{rule.name} looks at statements: it needs a regular expression"
    for header in every.holding(match.start() for match in re.finditer(rule.trigger, text)):
        try:
            piece, statement = every.parse(header)
        except Refusal as error:
            if every.refuses(header):
                yield error.finding(every.source.file)
            continue
        except UnreadableSource:
            continue  # the header of a statement that LibCST takes only whole
        yield from _findings(rule, _Sight(statement, piece, every.tree))


@dataclass(frozen=True)
class _Sight:
    """What a rule looks at, and where it stands."""

    syntax: ModuleClass | Statement
    piece: Slice
    tree: ast.Module

    def scope(self, place: int) -> str:
        """The qualified name of the class or function around a character."""
        if isinstance(self.syntax, Statement):
            return self.syntax.inside
        nearest = bisect_right(self._methods, place, key=itemgetter(0)) - 1
        _, end, name = self._methods[nearest] if nearest >= 0 else (0, 0, "")
        return f"{self.syntax.name}.{name}" if place < end else self.syntax.name

    @cached_property
    def _methods(self) -> list[tuple[int, int, str]]:
        assert isinstance(self.syntax, ModuleClass)
        return sorted((*self.piece.span(method), name) for name, method in self.syntax.methods.items())


def _findings(rule: Rule, sight: _Sight) -> Iterator[Finding]:
    piece, source = sight.piece, sight.piece.source
    for match in rule(sight.syntax):
        start, end = piece.span(match.node)
        fix, no_fix = fixes.prepare(rule, match, piece, sight.syntax, sight.tree)
        yield Finding(
            rule.name,
            " ".join(match.message.split()),  # the code in it may be written over several lines
            match.severity or rule.severity,
            source.location(start, end),
            fix=fix,
            no_fix=no_fix,
            source=source.line(source.line_of(start)),
            scope=sight.scope(start),
        )
