"""`modscope lint`: what it prints, where, and how it exits."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from modscope import reports
from modscope.cli import main

BUGGY = """from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(4, 4) for _ in range(3)]
        self.body = nn.Linear(4, 4)

    def forward(self, x):
        return self.body.forward(x)
"""
LIST, FORWARD = "unregistered-module-list", "direct-forward-call"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: net.py has two findings, clean.py none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(BUGGY)
    (tmp_path / "clean.py").write_text("x = 1\n")
    return tmp_path


def lint(*arguments: object, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["lint", *map(str, arguments)], input=stdin)


def rules(*arguments: object, stdin: str | bytes | None = None) -> list[str]:
    """The rules of the findings, as the format for programs has them."""
    return [found["rule"] for found in json.loads(lint("--output-format=json", *arguments, stdin=stdin).stdout)]


# ---- what is linted, and how it exits


def test_findings_exit_1(folder: Path) -> None:
    assert lint("net.py").exit_code == 1


def test_no_finding_exits_0(folder: Path) -> None:
    assert lint("clean.py").exit_code == 0


def test_exit_zero_exits_0_with_findings(folder: Path) -> None:
    result = lint("--exit-zero", "net.py")
    assert result.exit_code == 0
    assert FORWARD in result.stdout


def test_a_folder_without_python_files_exits_0(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "empty" / "notes.txt").write_text("no Python")
    result = lint("empty")
    assert result.exit_code == 0
    assert "found 0 findings in 0 files" in result.stderr


def test_without_paths_the_working_directory_is_linted(folder: Path) -> None:
    assert rules() == [LIST, FORWARD]


def test_findings_go_to_stdout_and_sums_to_stderr(folder: Path) -> None:
    result = lint("--output-format=concise", ".")
    assert [line.split(" ")[:2] for line in result.stdout.splitlines()] == [
        ["net.py:7:9:", LIST],
        ["net.py:11:16:", FORWARD],
    ]
    assert result.stderr.splitlines() == [
        "found 2 findings in 2 files; 1 can be mended with --fix; 1 can be mended with --fix --unsafe-fixes"
    ]


def test_quiet_says_nothing_but_the_report(folder: Path) -> None:
    assert lint("-q", "net.py").stderr == ""
    assert lint("-q", "clean.py").output == ""


def test_a_path_that_is_not_there_exits_2_with_its_name(folder: Path) -> None:
    result = lint("nowhere.py", "net.py")
    assert result.exit_code == 2
    assert "no such file or folder: 'nowhere.py'" in result.stderr


def test_a_syntax_error_is_a_finding_with_its_line(folder: Path) -> None:
    (folder / "bad.py").write_text("x = 1\nclass :\n")
    result = lint("--output-format=concise", "bad.py")
    assert result.exit_code == 1
    assert result.stdout.startswith("bad.py:2:7: syntax-error ")


def test_a_file_that_is_not_utf8_is_a_finding_with_its_line(folder: Path) -> None:
    (folder / "latin.py").write_bytes(b"x = 1\ny = '\xe9'\n")
    result = lint("--output-format=concise", "latin.py")
    assert result.exit_code == 1
    assert "latin.py:2:1: unreadable-file cannot be decoded:" in result.stdout


def test_a_file_that_is_not_python_is_linted_when_it_is_named(folder: Path) -> None:
    (folder / "script").write_text(BUGGY)
    assert rules("script") == [LIST, FORWARD]


def test_standard_input_is_linted(folder: Path) -> None:
    result = lint("--output-format=concise", "--stdin-filename=pkg/a.py", "-", stdin=BUGGY)
    assert result.exit_code == 1
    assert result.stdout.startswith("pkg/a.py:7:9: unregistered-module-list ")


def test_standard_input_may_be_of_another_encoding(folder: Path) -> None:
    assert rules("-", stdin=b"# coding: latin-1\n# \xe9\n" + BUGGY.encode()) == [LIST, FORWARD]


# ---- settings


def test_select_runs_these_rules_only(folder: Path) -> None:
    assert rules("--select", FORWARD) == [FORWARD]


def test_rules_may_be_many_in_one_option_or_in_several(folder: Path) -> None:
    assert rules("--select", f"{FORWARD}, {LIST}") == rules("--select", FORWARD, "--select", LIST) == [LIST, FORWARD]


def test_ignore_leaves_rules_out(folder: Path) -> None:
    assert rules("--ignore", LIST) == [FORWARD]


def test_extend_select_adds_to_the_file(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.modscope.lint]\nselect = ['{LIST}']")
    assert rules() == [LIST]
    assert rules("--extend-select", FORWARD) == [LIST, FORWARD]


def test_each_folder_has_its_nearest_settings(folder: Path) -> None:
    for name, rule in (("a", LIST), ("b", FORWARD)):
        (folder / name).mkdir()
        (folder / name / "net.py").write_text(BUGGY)
        (folder / name / "pyproject.toml").write_text(f"[tool.modscope]\nignore = ['{rule}']")
    assert rules("a", "b") == [FORWARD, LIST]


def test_config_takes_another_file(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.modscope]\nignore = ['{LIST}']")
    (folder / "other.toml").write_text(f"[tool.modscope]\nignore = ['{FORWARD}']")
    assert rules("--config", "other.toml") == [LIST]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--select", "direct-forward"], "no rule 'direct-forward'; the nearest is 'direct-forward-call'"),
        (["--config", "nowhere.toml"], "cannot read the configuration 'nowhere.toml'"),
        (["--output-format", "jason"], "no report format 'jason'; formats are concise, diff, full, github"),
        (["--diff", "--add-ignores"], "--diff changes nothing, so it does not go with --add-ignores"),
        (["--add-ignores", "-"], "--add-ignores needs files"),
        (["--jobs", "0"], "Invalid value for '--jobs'"),
        (["--nonsense"], "No such option"),
    ],
)
def test_a_mistake_exits_2_with_its_message(folder: Path, arguments: list[str], message: str) -> None:
    result = lint(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_standard_input_is_left_out_by_force_too(folder: Path) -> None:
    options = ("--extend-exclude", "gen", "--stdin-filename", "gen/net.py", "-")
    assert rules(*options, stdin=BUGGY) == [LIST, FORWARD]
    assert rules("--force-exclude", *options, stdin=BUGGY) == []
    mended = lint("--force-exclude", "--fix", *options, stdin=BUGGY)
    assert (mended.exit_code, mended.stdout) == (0, BUGGY)


@pytest.mark.parametrize("pattern", ["./gen", "./gen/", "./gen/*.py"])
def test_patterns_may_start_here(folder: Path, pattern: str) -> None:
    (folder / "gen").mkdir()
    (folder / "gen" / "net.py").write_text(BUGGY)
    (folder / "net.py").unlink()
    assert rules() == [LIST, FORWARD]
    assert rules("--extend-exclude", pattern) == []
    (folder / "pyproject.toml").write_text("[tool.modscope]\nper-file-ignores = {'./gen/*' = ['ALL']}")
    assert rules() == []


def test_exclude_replaces_what_is_left_out(folder: Path) -> None:
    (folder / "build").mkdir()
    (folder / "net.py").rename(folder / "build" / "net.py")
    assert rules() == []
    assert rules("--exclude", "dist") == [LIST, FORWARD]
    assert rules("--exclude", "dist,build") == []


def test_per_file_ignores_replace_those_of_the_file(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.modscope]\nper-file-ignores = {'net.py' = ['ALL']}")
    assert rules() == []
    assert rules("--per-file-ignores", f"*.py:{LIST},other.py:{FORWARD}") == [FORWARD]
    wrong = lint("--per-file-ignores", "net.py")
    assert wrong.exit_code == 2
    assert "per-file-ignores must be pattern:rule, not 'net.py'" in wrong.stderr


def test_diff_goes_before_fix(folder: Path) -> None:
    result = lint("--diff", "--fix", "net.py")
    assert result.exit_code == 1
    assert "+        return self.body(x)" in result.stdout
    assert (folder / "net.py").read_text() == BUGGY


@pytest.mark.parametrize(("paths", "closed", "code"), [("net.py", ">&-", 1), ("-", "<&-", 2)])
def test_a_stream_that_was_closed_before_is_no_mistake_of_its_own(
    folder: Path, paths: str, closed: str, code: int
) -> None:
    command = f"{sys.executable} -m modscope lint {paths} {closed}"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_mistake_in_the_settings_exits_2_and_names_the_file(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.modscope.lint]\nselekt = []")
    result = lint()
    assert result.exit_code == 2
    assert "pyproject.toml: no setting tool.modscope.lint.selekt; the nearest is 'select'" in result.stderr


# ---- output


@pytest.mark.parametrize("format", [name for name in reports.formats() if name != "diff"])
def test_every_format_can_be_printed_and_written(folder: Path, format: str) -> None:
    printed = lint("--output-format", format)
    written = lint("--output-format", format, "--output-file", "report.txt")
    assert printed.exit_code == written.exit_code == 1
    assert (folder / "report.txt").read_text(encoding="utf-8") == printed.stdout
    assert written.stdout == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_written_into_and_stays_a_pipe(folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert lint("--output-format=concise", "--output-file", pipe).exit_code == 1
        assert pipe.is_fifo()
        assert os.read(reader, 10_000).decode() == lint("--output-format=concise").stdout
    finally:
        os.close(reader)


def test_statistics_count_instead(folder: Path) -> None:
    assert [line.split() for line in lint("--statistics").stdout.splitlines()] == [
        ["1", "[*]", FORWARD],
        ["1", "[*]", LIST],
    ]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_file_name_that_is_no_text_comes_through(folder: Path) -> None:
    name = os.fsdecode(b"n\xff::error::\n.py")
    Path(name).write_text(BUGGY)
    result = lint("--output-format=json", name)
    assert json.loads(result.stdout_bytes)[0]["location"]["file"] == name
    assert len(lint("-q", "--output-format=concise", name).stdout.splitlines()) == 2


def test_a_stream_of_another_encoding_shows_what_it_lacks_as_escapes(folder: Path) -> None:
    (folder / "字.py").write_text(BUGGY)
    command = [sys.executable, "-m", "modscope", "lint", "-q", "--output-format=concise", "字.py"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, env=environment)
    assert done.stdout.startswith(rb"\u5b57.py:7:9: ")


@pytest.mark.parametrize("arguments", [["net.py"], ["--fix", "net.py"], ["--output-format=sarif", "net.py"]])
def test_torch_is_never_loaded(folder: Path, arguments: list[str]) -> None:
    code = (
        "import sys\nfrom modscope.cli import main\n"
        "try:\n    main()\nfinally:\n    print(sorted({'torch', 'networkx', 'numpy', 'graphviz'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code, "lint", *arguments], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_what_is_linted_is_never_run(folder: Path) -> None:
    (folder / "net.py").write_text("open('ran', 'w').close()\n" + BUGGY)
    (folder / "conftest.py").write_text("open('ran', 'w').close()\n")
    assert lint("--fix").exit_code == 1
    assert not (folder / "ran").exists()


# ---- adopting it


def test_add_ignores_hides_every_finding_and_no_other(folder: Path) -> None:
    result = lint("--add-ignores")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert (folder / "net.py").read_text().count("# modscope: ignore[") == 2
    assert lint().exit_code == 0
    (folder / "new.py").write_text(BUGGY)
    assert rules() == [LIST, FORWARD]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"# coding: latin-1\n"])
def test_add_ignores_changes_no_other_byte(folder: Path, start: bytes, newline: bytes) -> None:
    before = (start + BUGGY.encode()).replace(b"\n", newline)
    (folder / "net.py").write_bytes(before)
    assert lint("--add-ignores").exit_code == 0
    after = (folder / "net.py").read_bytes()
    assert after != before
    assert re.sub(rb"  # modscope: ignore\[[a-z-]+\]", b"", after) == before


def test_add_ignores_leaves_what_no_comment_can_hide(folder: Path) -> None:
    (folder / "bad.py").write_text("class :\n")
    result = lint("--add-ignores", "--output-format=concise")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
    assert (folder / "bad.py").read_text() == "class :\n"
