"""`modscope lint --fix` and `--diff`."""

import subprocess
from pathlib import Path

from tests.cli.test_lint import BUGGY, FORWARD, LIST, folder, lint

__all__ = ["folder"]

MENDED = BUGGY.replace(".forward(x)\n", "(x)\n")


def test_fix_mends_what_is_safe(folder: Path) -> None:
    result = lint("--fix", "--show-fixes")
    assert (folder / "net.py").read_text() == MENDED
    assert result.exit_code == 1
    assert f"mended net.py: 1 × {FORWARD}" in result.stderr
    assert "found 1 finding in 2 files, mended 1; 1 can be mended with --fix --unsafe-fixes" in result.stderr


def test_unsafe_fixes_mend_the_rest(folder: Path) -> None:
    result = lint("--fix", "--unsafe-fixes", "--select", f"{FORWARD},{LIST}")
    assert result.exit_code == 0
    assert "nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])" in (folder / "net.py").read_text()


def test_diff_changes_nothing_and_exits_1_if_it_would(folder: Path) -> None:
    result = lint("--diff")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == ["--- net.py", "+++ net.py"]
    assert "+        return self.body(x)" in result.stdout.splitlines()
    assert (folder / "net.py").read_text() == BUGGY
    lint("--fix")
    assert lint("--diff").exit_code == 0


def test_a_diff_can_be_applied(folder: Path) -> None:
    (folder / "fix.patch").write_text(lint("--diff", "-q").stdout)
    subprocess.run(["git", "apply", "-p0", "fix.patch"], cwd=folder, check=True)
    assert (folder / "net.py").read_text() == MENDED


def test_standard_input_is_mended_onto_standard_output(folder: Path) -> None:
    result = lint("--fix", "-", stdin=BUGGY)
    assert result.stdout == MENDED
    assert LIST in result.stderr


def test_what_is_too_long_comes_back_from_standard_input_as_it_was(folder: Path) -> None:
    text = BUGGY + "x = 1\n" * 1_000_000
    result = lint("--fix", "--output-format=concise", "-", stdin=text)
    assert result.stdout == text
    assert result.stderr.startswith("-:1:1: unreadable-file more than 2000000 bytes are not read\n")
