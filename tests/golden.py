"""The text formats of every fixture model, kept in fixtures/golden. `python -m tests.golden` rewrites them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fixtures import models
from modscope import render

FOLDER = Path(__file__).parents[1] / "fixtures" / "golden"
# JSON says the same in a form that nobody reads as a diff; a picture's golden is its DOT text.
FORMATS = ("dot", "summary", "tree")


def rendered(name: str) -> Iterator[tuple[Path, str]]:
    """What each format makes of one model, and the file that remembers it."""
    trace = models.trace(name)
    for format in FORMATS:
        yield FOLDER / f"{name}.{format}", f"{render(trace, format)!s}\n"


if __name__ == "__main__":
    written = {path: text for name in models.NAMES for path, text in rendered(name)}
    for path in set(FOLDER.iterdir()) - set(written):
        path.unlink()
    for path, text in written.items():
        path.write_text(text, encoding="utf-8", newline="\n")
