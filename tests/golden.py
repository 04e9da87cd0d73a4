"""What is remembered of the fixtures: the text formats of every model, in fixtures/golden, and the code of every rule
with a fix after it, in fixtures/lint. `python -m tests.golden` rewrites them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fixtures import models
from modscope import linter, render
from modscope.config import Config
from modscope.linter import rules

FIXTURES = Path(__file__).parents[1] / "fixtures"
FOLDER = FIXTURES / "golden"
# JSON says the same in a form that nobody reads as a diff; a picture's golden is its DOT text.
FORMATS = ("dot", "summary", "tree")


def rendered(name: str) -> Iterator[tuple[Path, str]]:
    """What each format makes of one model, and the file that remembers it."""
    trace = models.trace(name)
    for format in FORMATS:
        yield FOLDER / f"{name}.{format}", f"{render(trace, format)!s}\n"


def mended(rule: str, path: Path) -> str:
    """The code of a file after all fixes of one rule."""
    report = linter.lint_source(path.read_bytes(), config=Config(select=(rule,)), fix="unsafe")
    return "".join(rewrite.after.decode() for rewrite in report.rewrites)


def fixed() -> Iterator[tuple[str, Path, Path]]:
    """Each rule that has a fix, its fixture, and the file that remembers what the fix makes of it."""
    for rule in rules.names():
        if rules.load(rule).fix and rules.load(rule).looks_at != "file":
            stem = rule.replace("-", "_")
            yield rule, FIXTURES / "lint" / f"{stem}.py", FIXTURES / "lint" / f"{stem}.fixed.py"


if __name__ == "__main__":
    written = {path: text for name in models.NAMES for path, text in rendered(name)}
    written |= {after: mended(rule, before) for rule, before, after in fixed()}
    for path in {*FOLDER.iterdir(), *(FIXTURES / "lint").glob("*.fixed.py")} - set(written):
        path.unlink()
    for path, text in written.items():
        path.write_text(text, encoding="utf-8", newline="\n")
