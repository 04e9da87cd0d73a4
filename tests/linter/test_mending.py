"""Fixes are spliced into the file's own bytes: what they do not speak of stays as it is."""

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import modscope
from modscope.config import Config
from modscope.findings import Edit
from modscope.linter.mending import keeps_the_rest

FORWARD = Config(select=("direct-forward-call",))
NET = (
    "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.body = nn.Linear(1, 1)\n\n    def forward(self, x):\n        return self.body.forward(x)\n"
)
LAYOUTS = {
    "plain": NET.encode(),
    "CRLF": NET.replace("\n", "\r\n").encode(),
    "CR": NET.replace("\n", "\r").encode(),
    "a byte order mark": b"\xef\xbb\xbf" + NET.encode(),
    "no line end at the end": NET.rstrip().encode(),
    "tabs": NET.replace("    ", "\t").encode(),
    "form feeds": NET.replace("\n\n", "\n\f\n").replace("    def f", "\f    def f").encode(),
    "a form feed in a string": NET.replace("\n\n", "\nx = '\f'\n", 1).encode(),
    "latin-1": b"# coding: latin-1\n# \xe9\n" + NET.replace("forward(x)", "forward(x)  # \xe9").encode("latin-1"),
    "wide characters before it": NET.replace("return ", 'return "日本" and ').encode(),
    "a line separator in a string": NET.replace("return ", 'return "\u2028\x85" and ').encode(),
    "odd blanks": NET.replace("self.body.forward(x)", "self . body .forward( x )  ;  pass").encode(),
    "a continued line": NET.replace("return self", "return \\\n    self").encode(),
    "a nested class": NET.replace("class", "class Outer:\n class").replace("\n    ", "\n     ").encode(),
    "a multi-line string around it": NET.replace("(x)\n", '("""\n  x\n""")\n').encode(),
    "comments inside": NET.replace("forward(x)\n", "forward(  # why\n            x,  # and\n        )\n").encode(),
    "decorators": NET.replace("class Net", "@a\n@b(1)\nclass Net").encode(),
    "one line": NET.replace(":\n        return ", ": return ").encode(),
    "shift-jis": b"# coding: shift-jis\n" + NET.replace("return ", 'return "\u8868" and ').encode("shift-jis"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_byte_changes_beside_the_edit(layout: str) -> None:
    before = LAYOUTS[layout]
    report = modscope.linter.lint_source(before, config=FORWARD, fix="safe")
    (rewrite,) = report.rewrites
    call = b" .forward" if b" .forward" in before else b".forward"
    assert rewrite.after == before.replace(call, b"", 1)
    assert report.findings == ()
    assert [finding.rule for finding in report.fixed] == ["direct-forward-call"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_underlined_characters_are_the_call(layout: str) -> None:
    report = modscope.lint_source(LAYOUTS[layout], config=FORWARD)
    (edit,) = report.findings[0].fix.edits
    assert LAYOUTS[layout][edit.start : edit.end].strip() == b".forward"
    at = report.findings[0].location
    assert report.findings[0].source[at.column - 1 :].replace(" ", "").startswith("self.body.forward(")


def test_fixes_on_disk_keep_the_mode_and_leave_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(NET)
    path.chmod(0o640)
    report = modscope.lint([path], FORWARD, fix="safe")
    assert path.read_text() == NET.replace(".forward(x)", "(x)")
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["net.py"]
    assert report.rewrites[0].before == NET.encode()


def test_a_diff_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(NET)
    report = modscope.lint([path], FORWARD, fix="safe", write=False)
    assert path.read_text() == NET
    assert len(report.rewrites) == 1


def test_unsafe_fixes_are_made_only_when_asked_for(tmp_path: Path) -> None:
    text = NET.replace("nn.Linear(1, 1)", "[nn.Linear(1, 1)]").replace("self.body.forward", "self.body[0]")
    config = Config(select=("unregistered-module-list",))
    assert modscope.linter.lint_source(text, config=config, fix="safe").rewrites == ()
    (rewrite,) = modscope.linter.lint_source(text, config=config, fix="unsafe").rewrites
    assert rewrite.after == text.replace("[nn.Linear(1, 1)]", "nn.ModuleList([nn.Linear(1, 1)])").encode()


def test_one_more_run_changes_nothing() -> None:
    everything = Config(select=("ALL",))
    for path in sorted(Path(__file__).parents[2].glob("fixtures/lint/*.py")):
        once = modscope.linter.lint_source(path.read_bytes(), config=everything, fix="unsafe")
        after = once.rewrites[0].after if once.rewrites else path.read_bytes()
        assert modscope.linter.lint_source(after, config=everything, fix="unsafe").rewrites == (), path.name


def test_comments_that_hide_nothing_are_taken_away() -> None:
    text = "".join(f"x = {number}  # modscope: ignore[direct-forward-call]\n" for number in range(9))
    report = modscope.linter.lint_source(text, config=Config(select=("ALL",)), fix="safe")
    assert report.rewrites[0].after.decode() == "".join(f"x = {number}\n" for number in range(9))


def test_an_import_that_a_fix_needs_is_added_once() -> None:
    text = (
        '"""A net."""\n\nfrom __future__ import annotations\n\nfrom torch.nn import Linear, Module\n\n\n'
        "class Net(Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.a = [Linear(1, 1)]\n        self.b = [Linear(1, 1)]\n"
    )
    report = modscope.linter.lint_source(text, config=Config(select=("unregistered-module-list",)), fix="unsafe")
    after = report.rewrites[0].after.decode()
    assert after.count("ModuleList([Linear(1, 1)])") == 2
    assert len(after.splitlines()) == len(text.splitlines()) + 1
    assert report.findings == ()
    ast.parse(after)


@pytest.mark.parametrize(
    ("before", "after", "edit"),
    [
        ("a = 1\nb = 2\n", "a = 1\nb = (\n", Edit(10, 11, "(")),
        ("a = 1\nb = 2\n", "a = 2\nb = 3\n", Edit(10, 11, "3")),
        ("if a:\n  b = 1\nc = 2\n", "if a:\n  b = 3\n  c = 2\n", Edit(12, 14, "3\n  ")),
        ("def f():\n  x\n  y\n", "def f():\n  z\ny\n", Edit(11, 16, "z\n")),
    ],
)
def test_a_change_beyond_its_edit_is_refused(before: str, after: str, edit: Edit) -> None:
    assert not keeps_the_rest(before.encode(), after.encode(), [edit])


@pytest.mark.parametrize(
    ("before", "after", "edit"),
    [
        ("a = 1\nb = 2\n", "a = 1\nb = 3\n", Edit(10, 11, "3")),
        ("a = 1\nb = 2\n", "a = 1\n", Edit(6, 12, "")),
        ("if a:\n  b = 1\nc = 2\n", "if a:\n  b = 3\nc = 2\n", Edit(12, 13, "3")),
        ("a = 1\n", "import b\na = 1\n", Edit(0, 0, "import b\n")),
        ("if a:\n  b\n", "if a:\n  c\n  b\n", Edit(6, 6, "  c\n")),
        ("a = b\nc\n", "a = b()\nc\n", Edit(5, 5, "()")),
        ("f(x)\n", "await f(x)\n", Edit(0, 0, "await ")),
        ("with a:\n  b\n", "with a():\n  b\n", Edit(6, 6, "()")),
        ("a = 1  # b\nc = 2\n", "a = 1\nc = 2\n", Edit(5, 10, "")),
        ("a; b\n", "b\n", Edit(0, 3, "")),
    ],
)
def test_a_change_of_its_own_statement_is_kept(before: str, after: str, edit: Edit) -> None:
    assert keeps_the_rest(before.encode(), after.encode(), [edit])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_run_leaves_each_file_old_or_new(tmp_path: Path) -> None:
    new = NET.replace(".forward(x)", "(x)")
    for turn in range(5):
        paths = [tmp_path / f"net{number}.py" for number in range(30)]
        for path in paths:
            path.write_text(NET)
        process = subprocess.Popen(
            [sys.executable, "-m", "modscope", "lint", "--no-cache", "--fix", str(tmp_path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and all(path.read_text() == NET for path in paths[: turn * 5 + 1]):
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert {path.read_text() for path in paths} <= {NET, new}


MULTI_LINE = """\
import torch
import torch.nn.functional as F
from torch import nn


def make():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.ones(
                3,  # three
            )
            self.body = nn.Sequential(
                [
                    nn.Linear(1, 1),
                ]
            )

        def forward(self, x):
            x.masked_fill(
                x > 0,
                0,
            )
            return self.body(F.dropout(x, p=max(
                0, 1,
            ))) + self.scale

    return Net
"""


def test_lines_inside_what_is_wrapped_stay_as_they_are() -> None:
    config = Config(select=("tensor-attribute-not-buffer", "sequential-of-list", "result-dropped"))
    config = config.override(extend_select=("functional-dropout-training",))
    (rewrite,) = modscope.linter.lint_source(MULTI_LINE.encode(), config=config, fix="unsafe").rewrites
    expected = (
        MULTI_LINE.replace("self.scale = torch.ones(", 'self.register_buffer("scale", torch.ones(')
        .replace("three\n            )", "three\n            ))")
        .replace("                [\n", "                *[\n")
        .replace("x.masked_fill(", "x = x.masked_fill(")
        .replace("1,\n            )))", "1,\n            ), training=self.training))")
    )
    assert rewrite.after.decode() == expected


TAKEN = (
    "from torch.nn import Linear, Module\nnn = ModuleList = 2\nclass Net(Module):\n"
    "    def __init__(self):\n        super().__init__()\n        self.layers = [Linear(1, 1)]\n"
)


@pytest.mark.parametrize(
    "before",
    [
        TAKEN,
        TAKEN.replace("nn = ModuleList = 2\n", "").replace("(self)", "(self, nn=None, ModuleList=None)"),
        TAKEN.replace("nn = ModuleList = 2\n", "from torch import nn\n").replace("(self)", "(self, nn=None)"),
    ],
)
def test_a_name_that_means_something_else_there_is_not_used(before: str) -> None:
    config = Config(select=("unregistered-module-list",))
    report = modscope.linter.lint_source(before.encode(), config=config, fix="unsafe")
    assert report.rewrites == ()
    (finding,) = report
    assert "for something else" in (finding.no_fix or "")
