"""Files made to break a parser: each ends in a finding or is linted, and all others are linted."""

import gc
import os
import socket
import sys
from pathlib import Path

import pytest

import modscope
from modscope.config import Config

LIST = Config(select=("unregistered-module-list",))
NET = "from torch import nn\nclass Net(nn.Module):\n def __init__(self):\n  super().__init__()\n"
GUILTY = NET + "  self.layers = [nn.Linear(1, 1)]\n"


def rules(text: str | bytes) -> list[str]:
    return [finding.rule for finding in modscope.lint_source(text, config=LIST)]


REFUSED = {
    "3000 parentheses": "x=" + "(" * 3000 + ")" * 3000,
    "20000 operands": "x=" + " or ".join("a" * 20_000),
    "20000 sums": "x=" + "+".join("a" * 20_000),
    "900 sums": "x=" + "+".join("a" * 900),
    "20000 attributes": "x=a" + ".b" * 20_000,
    "20000 calls": "x=a" + "()" * 20_000,
    "20000 signs": "x=" + "-" * 20_000 + "1",
    "20000 nots": "x=" + "not " * 20_000 + "1",
    "3000 lambdas": "x=" + "lambda:" * 3000 + "1",
    "5000 ternaries": "x=" + "a if b else " * 5000 + "1",
    "3000 elifs": "if a: pass\n" + "  elif a: pass\n" * 3000,
    "a list pattern of 25 levels": "match x:\n   case " + "[" * 25 + "]" * 25 + ": pass",
    "a pattern in 25 parentheses": "match x:\n   case " + "(" * 25 + "a" + ")" * 25 + ": pass",
    "a pattern with brackets in strings": "match x:\n   case " + "('(')|" * 3 + "[" * 25 + "]" * 25 + ": pass",
    "a null byte": "x=1\0",
    "no Python": "print 'hello'",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_a_finding(case: str) -> None:
    assert rules(f"{GUILTY}  {REFUSED[case]}\n") in (["unreadable-file"], ["syntax-error"])


@pytest.mark.parametrize("case", [case for case in REFUSED if "elifs" not in case])
def test_a_statement_that_cannot_be_read_is_a_finding(case: str) -> None:
    text = "import torch\nif a:\n  " + REFUSED[case].replace("x=", "x = torch.load(b),", 1)
    text = text.replace("case ", "case _ if torch.load(b): pass\n   case ")
    report = modscope.lint_source(text, config=Config(select=("torch-load-weights-only",)))
    assert {finding.rule for finding in report} in ({"unreadable-file"}, {"syntax-error"})


READ = {
    "150 parentheses": "x=" + "(" * 150 + ")" * 150,
    "1400 strings side by side": "x=" + "'a' " * 1400,
    "400 f-strings side by side": "x=" + "f'{a}'" * 400,
    "140 elifs": "if a: pass\n" + "  elif a: pass\n" * 140,
    "90 levels of indentation": "".join(" " * n + "if 1:\n" for n in range(2, 92))[2:] + " " * 92 + "pass",
    "a pattern of 5 levels": "match x:\n   case [[[[[a]]]]]: pass",
    "a pattern with brackets in strings": "match x:\n   case '(((((((((((((((': pass",
    "3000 alternatives": "match x:\n   case " + "|".join("1" * 3000) + ": pass",
    "2000 elements": "x = [" + "nn.Linear(1, 1)," * 2000 + "]",
}


@pytest.mark.parametrize("case", READ)
def test_what_can_be_read_is_linted(case: str) -> None:
    assert rules(f"{GUILTY}  {READ[case]}\n") == ["unregistered-module-list"]


@pytest.mark.parametrize("cookie", ["nonsense", "rot13", "base64", "undefined"])
def test_an_encoding_that_is_none_of_text_is_a_finding(cookie: str) -> None:
    assert rules(f"# coding: {cookie}\n{GUILTY}".encode()) == ["unreadable-file"]


def test_bytes_of_another_encoding_are_a_finding_with_their_line() -> None:
    report = modscope.lint_source(b"x = 1\ny = '\xff'\n", config=LIST)
    assert [(finding.rule, finding.location.line) for finding in report] == [("unreadable-file", 2)]


def test_a_file_that_is_too_large_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "large.py").write_text("x = 1\n" * 400_000)
    (tmp_path / "net.py").write_text(GUILTY)
    report = modscope.lint([tmp_path], LIST)
    assert [finding.rule for finding in report] == ["unreadable-file", "unregistered-module-list"]
    assert report.files == 2


def test_a_text_that_is_too_large_is_a_finding() -> None:
    assert rules(GUILTY + "x = 1\n" * 400_000) == ["unreadable-file"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_and_a_socket_are_findings_and_do_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "net.py").write_text(GUILTY)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket.py"))
        report = modscope.lint([tmp_path], LIST)
    assert [finding.rule for finding in report] == ["unregistered-module-list", "unreadable-file", "unreadable-file"]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_links_in_a_circle_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(GUILTY)
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "self.py").symlink_to(tmp_path / "self.py")
    (tmp_path / "also.py").symlink_to(tmp_path / "net.py")
    report = modscope.lint([tmp_path], LIST)
    assert sorted(finding.rule for finding in report) == ["unreadable-file", "unregistered-module-list"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_and_a_folder_without_permission_are_reported(tmp_path: Path) -> None:
    for path in (tmp_path / "net.py", tmp_path / "closed" / "net.py"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(GUILTY)
    (tmp_path / "net.py").chmod(0)
    (tmp_path / "closed").chmod(0)
    report = modscope.lint([tmp_path], LIST)
    (tmp_path / "closed").chmod(0o700)
    assert [finding.rule for finding in report] == ["unreadable-file"]
    assert [Path(skip.file).name for skip in report.skipped] == ["closed"]


@pytest.mark.parametrize("name", ["new\nline.py", "\udcff.py", "'quote\".py", "[red].py"])
def test_any_name_is_the_name_of_a_file(tmp_path: Path, name: str) -> None:
    try:
        (tmp_path / name).write_text(GUILTY)
    except (OSError, UnicodeError):
        pytest.skip("this file system does not take the name")
    report = modscope.lint([tmp_path], LIST)
    assert [Path(finding.location.file).name for finding in report] == [name]


def test_the_process_is_as_before() -> None:
    before = sys.getrecursionlimit(), gc.isenabled()
    assert modscope.lint_source("def f(:\n").findings
    assert (sys.getrecursionlimit(), gc.isenabled()) == before
