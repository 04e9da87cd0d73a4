"""`# modscope: ignore[...]`: which findings it hides, and which comment hides none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from modscope import suppressions
from modscope.findings import Finding, Fix
from modscope.linter.rule import Rule
from modscope.linter.rules import load, names
from modscope.linter.text import SourceText

UNUSED = "unused-ignore"


def heeding(source: SourceText, findings: Iterable[Finding], run: Collection[str]) -> Iterator[Finding]:
    """The findings that no comment hides; and the comments that hide none, as far as their rules were `run`."""
    ignores = suppressions.read(source.text)
    used: dict[suppressions.Ignore, set[str]] = {ignore: set() for ignore in ignores.ignores}
    for finding in findings:
        hiding = ignores.hiding(finding.rule, finding.location.line) if finding.location else ()
        for ignore in hiding:
            used[ignore].add(finding.rule)
        if not hiding:
            yield finding
    if UNUSED not in run:
        return
    known = set(names())
    for ignore, hidden in used.items():
        if not ignore.ours or ignores.hiding(UNUSED, ignore.line) not in ((), (ignore,)):
            continue
        if ignore.rules is None:
            unused: tuple[str, ...] = () if hidden else ("",)
        else:
            unused = tuple(each for each in ignore.rules if each not in hidden and (each in run or each not in known))
        if unused:
            yield _unused(source, load(UNUSED), ignore, unused, known)


def _unused(
    source: SourceText, rule: Rule, ignore: suppressions.Ignore, unused: tuple[str, ...], known: set[str]
) -> Finding:
    strange = [name for name in unused if name and name not in known]
    said = ", ".join(f"`{name}`" for name in unused if name)
    message = f"nothing here for {said} to ignore" if said else "nothing here to ignore"
    if strange:
        message += f" (no rule is called {', '.join(f'`{name}`' for name in strange)})"
    edit = source.edit(*suppressions.without(source.text, ignore, unused))
    fix = Fix("remove it", (edit,), safe=True) if source.splices else None
    return Finding(
        rule.name,
        message,
        rule.severity,
        source.location(ignore.start, ignore.end),
        fix=fix,
        source=source.line(ignore.line),
    )
