"""One source text -> its findings: parse, find the Module classes, examine them, heed the ignores."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from modscope.findings import Finding, Location
from modscope.linter.index import Project
from modscope.linter.text import LARGEST, SourceText, UnreadableSource, parse

if TYPE_CHECKING:
    from modscope.linter.notebooks import Notebook
    from modscope.linter.rules import Selection


def check(data: bytes, file: str, rules: Selection, project: Project, path: str = "") -> list[Finding]:
    """The findings in the bytes of one file, sorted by place. `path` is where its imports are looked up from."""
    try:
        if len(data) > LARGEST:
            raise UnreadableSource("unreadable-file", f"more than {LARGEST} bytes are not read")
        if file.endswith(".ipynb"):
            from modscope.linter.notebooks import Notebook

            return _check_notebook(Notebook.read(data), file, rules, project, path)
        source = SourceText.decode(data, file)
        return _check_text(source, parse(source), rules, project, path)
    except UnreadableSource as error:
        return [error.finding(file)]
    except RecursionError:
        return [UnreadableSource("unreadable-file", "not examined: it is nested too deeply").finding(file)]


def _check_notebook(book: Notebook, file: str, rules: Selection, project: Project, path: str) -> list[Finding]:
    source = SourceText.decode(book.text.encode(), file)
    findings = [book.placed(each, file) for each in _check_text(source, parse(source), rules, project, path)]
    for cell, error in book.broken:
        findings.append(replace(error.finding(file), location=Location(file, error.line, error.column, cell=cell)))
    return sorted(findings, key=_place)


def _check_text(source: SourceText, tree: ast.Module, rules: Selection, project: Project, path: str) -> list[Finding]:
    """Rules, and all that knows of LibCST, are imported only for a file that has a Module class or speaks of torch."""
    index = project.view(tree, source.data, path)
    modules = [facts for facts in index.facts.classes.values() if index.is_module(facts)]
    findings: list[Finding] = []
    if modules or "torch" in source.text:
        from modscope.linter.examine import examine

        findings = list(examine(source, tree, index, modules, rules.speaking_of(source.text)))
    if findings or "modscope" in source.text:
        from modscope.linter.heeding import heeding

        findings = list(heeding(source, findings, rules.names))
    return sorted(findings, key=_place)


def _place(finding: Finding) -> tuple[int, int, int, str]:
    at = finding.location
    return (at.cell or 0, at.line, at.column, finding.rule) if at else (0, 0, 0, finding.rule)
