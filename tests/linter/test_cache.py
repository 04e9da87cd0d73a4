"""The cache answers what is unchanged, and never changes an answer."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import modscope
from modscope.config import Config
from modscope.findings import Report

LIST = Config(select=("unregistered-module-list",))
HEIR = (
    "from base import Base\nfrom torch import nn\n\n\nclass Net(Base):\n    def __init__(self):\n"
    "        super().__init__()\n        self.layers = [nn.Linear(1, 1)]\n"
)
BASE = "from torch import nn\n\n\nclass Base(nn.Module):\n    pass\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "net.py").write_text(HEIR)
    (folder / "base.py").write_text(BASE)
    (folder / "pyproject.toml").write_text("")
    return folder


def lint(project: Path, config: Config = LIST) -> Report:
    return modscope.lint([project], config, cache=True, cache_dir=project.parent / "cache")


def entries(project: Path) -> list[Path]:
    return sorted((project.parent / "cache").rglob("*.json"))


def test_a_second_run_is_answered_from_the_cache(project: Path) -> None:
    first, second = lint(project), lint(project)
    assert (first.cached, second.cached) == (0, 2)
    assert second == first
    assert len(second) == 1


def test_without_asking_nothing_is_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    modscope.lint(["."], LIST)
    assert sorted(path.name for path in project.iterdir()) == ["base.py", "net.py", "pyproject.toml"]


def test_a_changed_file_is_linted_again(project: Path) -> None:
    lint(project)
    (project / "net.py").write_text(HEIR.replace("[nn.Linear(1, 1)]", "nn.Linear(1, 1)"))
    report = lint(project)
    assert (len(report), report.cached) == (0, 1)


def test_a_changed_base_in_another_file_is_seen(project: Path) -> None:
    lint(project)
    (project / "base.py").write_text("class Base:\n    pass\n")
    assert len(lint(project)) == 0


def test_a_base_that_appears_is_seen(project: Path) -> None:
    (project / "base.py").unlink()
    assert len(lint(project)) == 0
    (project / "base.py").write_text(BASE)
    assert len(lint(project)) == 1


def test_a_base_that_vanishes_is_seen(project: Path) -> None:
    lint(project)
    (project / "base.py").unlink()
    assert len(lint(project)) == 0


def test_a_module_that_gets_in_front_of_a_base_is_seen(project: Path) -> None:
    lint(project)
    (project / "base").mkdir()
    (project / "base" / "__init__.py").write_text("class Base:\n    pass\n")
    assert len(lint(project)) == 0


def test_other_settings_have_other_entries(project: Path) -> None:
    lint(project)
    assert len(lint(project, Config(select=("direct-forward-call",)))) == 0
    assert len(lint(project)) == 1


def test_patterns_from_the_working_directory_mean_other_files_elsewhere(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(select=LIST.select, per_file_ignores=(("/net.py", ("ALL",)),))
    monkeypatch.chdir(project.parent)
    assert len(lint(project, config)) == 1
    monkeypatch.chdir(project)
    assert len(lint(project, config)) == 0


@pytest.mark.parametrize("content", [b"", b"\n", b"x\n{}", b"\xff\n\xff", b"[" * 100_000])
def test_a_damaged_entry_is_no_entry(project: Path, content: bytes) -> None:
    right = lint(project)
    for entry in entries(project):
        entry.write_bytes(content)
    assert lint(project) == right


def test_an_entry_with_one_other_byte_is_no_entry(project: Path) -> None:
    right = lint(project)
    for entry in entries(project):
        data = entry.read_bytes()
        assert json.loads(data.partition(b"\n")[2])
        entry.write_bytes(data.replace(b"plain list", b"plain lisp"))
        assert entry.read_bytes() != data
    assert lint(project) == right


def test_a_folder_that_cannot_be_written_changes_no_answer(project: Path) -> None:
    (project.parent / "cache").write_text("a file where the folder would be")
    assert len(lint(project)) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_an_entry_that_is_a_pipe_or_a_folder_is_no_entry(project: Path) -> None:
    right = lint(project)
    (entry,) = entries(project)
    for make in (os.mkfifo, os.mkdir):
        entry.unlink()
        make(entry)
        assert lint(project) == right


def test_a_folder_whose_name_is_too_long_changes_no_answer(project: Path) -> None:
    assert len(modscope.lint([project], LIST, cache=True, cache_dir=project / ("a" * 5000))) == 1


def test_a_file_under_another_name_keeps_its_findings_there(project: Path) -> None:
    lint(project)
    (project / "net.py").rename(project / "other.py")
    (finding,) = lint(project)
    assert Path(finding.location.file).name == "other.py"


def test_runs_at_the_same_time_do_not_disturb_one_another(project: Path) -> None:
    for number in range(30):
        (project / f"net{number}.py").write_text(HEIR)
    command = [sys.executable, "-m", "modscope", "lint", "--select", "unregistered-module-list", "--output-format"]
    command += ["concise", "-q", "--cache-dir", str(project.parent / "cache"), str(project)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = {run.communicate()[0] for run in runs}
    assert len(outputs) == 1
    assert outputs.pop().count("unregistered-module-list") == 31


def test_an_unchanged_file_is_answered_without_libcst(project: Path) -> None:
    lint(project, Config())
    folder = project.parent / "cache"
    code = (
        "import sys, modscope; from modscope.config import Config\n"
        f"report = modscope.lint([{str(project)!r}], Config(), cache=True, cache_dir={str(folder)!r})\n"
        "assert report.cached == 2 and len(report) == 1\n"
        "print('libcst' in sys.modules, 'modscope.linter.engine' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_file_that_has_long_been_the_same_is_not_even_read(project: Path) -> None:
    code = (
        "import sys, time, modscope; from modscope.config import Config\n"
        "now = time.time_ns; time.time_ns = lambda: now() + 60_000_000_000  # a minute later\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == 'open' else None)\n"
        f"report = modscope.lint([{str(project)!r}], cache=True, cache_dir={str(project.parent / 'cache')!r})\n"
        "print(report.cached, len(report), sum(path.endswith(('net.py', 'base.py')) for path in opened) > 0)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs == ["0 1 True\n", "2 1 False\n"]


def test_a_file_of_the_same_size_and_time_is_linted_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60_000_000_000)  # all files have long been what they are
    assert len(lint(project)) == 1
    file = project / "net.py"
    before = file.stat()
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # the file system's clock ticks
        file.write_text(HEIR.replace("[nn.Linear(1, 1)]", "(nn.Linear(1, 1))"))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert len(lint(project)) == 0


def test_a_copied_cache_answers_for_files_that_are_the_same_by_their_bytes(project: Path) -> None:
    lint(project)
    for file in project.glob("*.py"):
        text = file.read_bytes()
        file.unlink()
        file.write_bytes(text)
    assert lint(project).cached == 2


def test_what_was_found_elsewhere_stays_known(project: Path) -> None:
    lint(project)
    (project / "more").mkdir()
    (project / "more" / "other.py").write_text(HEIR)
    modscope.lint([project / "more"], LIST, cache=True, cache_dir=project.parent / "cache")
    assert lint(project).cached == 3


def test_the_folder_keeps_itself_out_of_git(project: Path) -> None:
    lint(project)
    assert (project.parent / "cache" / ".gitignore").read_text() == "*\n"


def test_fixes_are_made_of_cached_findings_too(project: Path) -> None:
    lint(project)
    report = modscope.lint([project], LIST, cache=True, cache_dir=project.parent / "cache", fix="unsafe")
    assert len(report.fixed) == 1
    assert "nn.ModuleList([nn.Linear(1, 1)])" in (project / "net.py").read_text()


@pytest.mark.parametrize("jobs", [1, 2, None])
def test_any_number_of_processes_finds_the_same(project: Path, jobs: int | None) -> None:
    for number in range(5):
        (project / f"net{number}.py").write_text(HEIR)
    report = modscope.lint([project], LIST, jobs=jobs)
    names = [os.path.basename(finding.location.file) for finding in report]
    assert names == ["net.py", *(f"net{number}.py" for number in range(5))]


def test_a_mistake_of_the_linter_itself_is_told_from_other_processes_too(project: Path) -> None:
    (project / "old.py").write_text("import torch\n\ntorch.symeig(x)\n")
    config = Config(select=("removed-torch-function",), target_torch="no version")  # type: ignore[arg-type]
    with pytest.raises(Exception, match="TypeError"):
        modscope.lint([project], config, jobs=2)


def test_processes_do_not_run_the_callers_script_again(project: Path) -> None:
    script = project / "script.py"
    script.write_text(f"import modscope\nprint('once', len(modscope.lint([{str(project)!r}], jobs=2)))\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "once 1\n"
