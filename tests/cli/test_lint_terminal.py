"""`modscope lint` on a terminal: colours, and how far a long run is."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_lint import FORWARD, folder

__all__ = ["folder"]

if os.name == "nt":
    pytest.skip("no pseudo-terminals there", allow_module_level=True)


def on_a_terminal(*command: str, **environment: str) -> str:
    """What Python prints when standard output and standard error are a terminal."""
    outer, inner = os.openpty()
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen([sys.executable, *command], stdout=inner, stderr=inner, env=inherited | environment):
        os.close(inner)
        printed = b"".join(_read(outer)).decode()
        os.close(outer)
    return printed


def _read(end: int) -> Iterator[bytes]:
    try:
        while piece := os.read(end, 65536):
            yield piece
    except OSError:  # how Linux says that the other side was closed
        return


def test_a_terminal_gets_colours(folder: Path) -> None:
    assert f"\x1b[31m{FORWARD}\x1b[0m" in on_a_terminal("-m", "modscope", "lint")


def test_no_color_is_heard(folder: Path) -> None:
    shown = on_a_terminal("-m", "modscope", "lint", NO_COLOR="1")
    assert not re.search(r"\x1b\[[\d;]*m", shown)  # a slow run may still clear its line of progress


def test_a_file_gets_no_colours(folder: Path) -> None:
    on_a_terminal("-m", "modscope", "lint", "--output-file", "report.txt")
    assert "\x1b" not in (folder / "report.txt").read_text()


def test_a_short_run_shows_no_progress(folder: Path) -> None:
    assert "\r\x1b[K" not in on_a_terminal("-m", "modscope", "lint", "-q")


@pytest.mark.parametrize(("quiet", "expected"), [(False, "\r2 files\r\x1b[K"), (True, "")])
def test_after_a_second_progress_is_shown_and_then_gone(folder: Path, quiet: bool, expected: str) -> None:
    code = (
        "import time\nfrom modscope.cli._progress import progress\n"
        f"with progress({quiet}) as show:\n    show(1); time.sleep(1.1); show(2)"
    )
    assert on_a_terminal("-c", code) == expected
