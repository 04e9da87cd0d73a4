"""Matches -> edits of the file's own bytes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from modscope.findings import Fix
from modscope.linter import cst
from modscope.linter.rule import Change, Insert, Match, Remove, Replace, Rule, Written
from modscope.linter.slices import Slice
from modscope.linter.syntax import Syntax
from modscope.linter.text import SourceText

Span = tuple[int, int, str]  # characters from, to, and what to put there


class NoFix(Exception):
    """Why a fix would not do here."""


def prepare(rule: Rule, match: Match, piece: Slice, syntax: Syntax, tree: ast.Module) -> tuple[Fix | None, str | None]:
    """The fix of a match as edits of the file's bytes, or why there is none."""
    if match.no_fix or not match.all_changes:
        return None, match.no_fix
    source = piece.source
    if not source.splices:
        return None, f"the encoding {source.encoding} does not allow a change of single bytes"
    try:
        spans = [_span(change, piece, syntax) for change in match.all_changes]
    except NoFix as reason:
        return None, str(reason)
    names = {line.rpartition(" ")[2] for line in match.imports}
    if names and (taken := names & _bound(tree)):
        return None, f"this file uses the name {min(taken)} for something else"
    spans += _imports(match.imports, source, tree, source.line_of(piece.start))
    safe = rule.fix == "safe" if match.safe is None else match.safe
    edits = tuple(source.edit(*span) for span in sorted(spans))
    return Fix(match.remedy or _remedy(match), edits, safe), None


def _remedy(match: Match) -> str:
    written = "" if match.replacement is None else _code(match.replacement)
    return f"write `{written}`" if written and len(written) < 80 and "\n" not in written else "rewrite it"


def _code(new: Written) -> str:
    parts = new if isinstance(new, tuple) else (new,)
    return "".join(each if isinstance(each, str) else cst.Module([]).code_for_node(each) for each in parts)


def _span(change: Change, piece: Slice, syntax: Syntax) -> Span:
    match change:
        case Replace(node, by):
            start, end = piece.outer_span(node) if isinstance(node, cst.BaseExpression) else piece.span(node)
            parts = by if isinstance(by, tuple) else (by,)
            text = "".join(each if isinstance(each, str) else piece.written(each, node) for each in parts)
            return _narrowed(start, end, _ended(text, piece.source), piece.source)
        case Remove(statement):
            return _removal(statement, piece, syntax)
        case Insert(statement, text, where):
            return _insertion(statement, text, where == "before", piece)


def _narrowed(start: int, end: int, text: str, source: SourceText) -> Span:
    """The same change without the characters that stay at its two ends."""
    old = source.text[start:end]
    same = _shared(old, text)
    old, text = old[same:], text[same:]
    tail = _shared(old[::-1], text[::-1])
    return start + same, end - tail, text[: len(text) - tail]


def _shared(one: str, other: str) -> int:
    """How many characters two texts have in common at their start."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _ended(text: str, source: SourceText) -> str:
    """With the file's own line ends."""
    return text if source.newline == "\n" else text.replace("\r\n", "\n").replace("\n", source.newline)


def _insertion(statement: cst.CSTNode, text: str, before: bool, piece: Slice) -> Span:
    source = piece.source
    start, end = piece.span(statement)
    line_start = source.starts[source.line_of(start) - 1]
    indent = source.text[line_start:start]
    if indent.strip():
        raise NoFix("it shares its line with another statement")
    lines = "".join(f"{indent}{line}" if line.strip() else line for line in text.splitlines(keepends=True))
    lines = _ended(lines if lines.endswith("\n") else f"{lines}\n", source)
    if before:
        return line_start, line_start, lines
    return _line_after(end, lines, source)


def _line_after(place: int, lines: str, source: SourceText) -> Span:
    """Whole lines below the one that holds a character."""
    last = source.line_of(place)
    if last < len(source.starts):
        return source.starts[last], source.starts[last], lines
    return len(source.text), len(source.text), source.newline + lines


def _removal(statement: cst.CSTNode, piece: Slice, syntax: Syntax) -> Span:
    source = piece.source
    line = statement if isinstance(statement, cst.BaseCompoundStatement) else syntax.statement_of(statement)
    start, end = piece.span(line)
    if isinstance(line, cst.SimpleStatementLine) and len(line.body) > 1 and line is not statement:
        raise NoFix("it shares its line with another statement")
    block = syntax.parent(line)
    if not isinstance(block, cst.IndentedBlock) or len(block.body) == 1:
        return start, end, "pass"
    first, last = source.line_of(start), source.line_of(end)
    return source.starts[first - 1], source.starts[last] if last < len(source.starts) else len(source.text), ""


def _bound(tree: ast.Module) -> set[str]:
    """The names that anything in the file but an import binds."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(name, ast.Store()) | ast.arg(name) | ast.FunctionDef(name) | ast.ClassDef(name):
                found.add(name)
    return found


def _imports(lines: tuple[str, ...], source: SourceText, tree: ast.Module, before: int) -> Iterator[Span]:
    """The import lines, below the last import that stands at the top of the file above a line."""
    if not lines:
        return
    last = 0
    for number, statement in enumerate(tree.body):
        docstring = number == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if statement.lineno < before and (docstring or isinstance(statement, ast.Import | ast.ImportFrom)):
            last = statement.end_lineno or statement.lineno
    text = _ended("".join(f"{line}\n" for line in lines), source)
    yield _line_after(source.starts[last - 1], text, source) if last else (0, 0, text)
