"""Which files are linted, and which are left out."""

import os
from pathlib import Path

import pytest

import modscope
from modscope.config import Config, finder
from modscope.errors import ModscopeError
from modscope.linter.files import find

NET = (
    "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.body = nn.Linear(1, 1)\n\n    def forward(self, x):\n        return self.body.forward(x)\n"
)


def tree(folder: Path, *names: str, **texts: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    for name, text in texts.items():
        (folder / name).write_text(text)


def found(folder: Path, *paths: str, **above: object) -> list[str]:
    return [
        path.relative_to(folder).as_posix()
        for path in find([folder / path for path in paths or (".",)], finder(**above))
        if isinstance(path, Path)
    ]


def test_python_files_and_notebooks_are_found_in_order(tmp_path: Path) -> None:
    tree(tmp_path, "b.py", "a/c.py", "a/b.pyi", "d.ipynb", "e.txt", "a/README.md")
    assert found(tmp_path) == ["b.py", "d.ipynb", "a/b.pyi", "a/c.py"]


def test_what_ruff_leaves_out_is_left_out(tmp_path: Path) -> None:
    tree(tmp_path, "a.py", ".venv/b.py", "build/c.py", "node_modules/d.py", ".git/e.py", "lib/site-packages/f.py")
    assert found(tmp_path) == ["a.py"]


def test_a_folder_that_is_asked_for_is_looked_into(tmp_path: Path) -> None:
    tree(tmp_path, "build/a.py", "build/inner/b.py", "build/venv/c.py")
    assert found(tmp_path, "build") == ["build/a.py", "build/inner/b.py"]


def test_a_file_that_is_named_is_taken(tmp_path: Path) -> None:
    tree(tmp_path, "build/a.py", "script")
    assert found(tmp_path, "build/a.py", "script") == ["build/a.py", "script"]


def test_force_exclude_leaves_named_files_out_too(tmp_path: Path) -> None:
    tree(tmp_path, "build/a.py", "b.py", "generated.py", "pyproject.toml")
    (tmp_path / "pyproject.toml").write_text("[tool.modscope]\nextend-exclude = ['generated.py']\n")
    assert found(tmp_path, "build/a.py", "b.py", "generated.py", force_exclude=True) == ["b.py"]


def test_gitignore_is_heeded_also_from_above_and_below(tmp_path: Path) -> None:
    tree(tmp_path, ".git/config", "a.py", "gen/b.py", "pkg/c.py", "pkg/d_pb2.py", "pkg/keep/e_pb2.py")
    (tmp_path / ".gitignore").write_text("gen/\n*_pb2.py\n")
    (tmp_path / "pkg/keep/.gitignore").write_text("!e_pb2.py\n")
    assert found(tmp_path) == ["a.py", "pkg/c.py", "pkg/keep/e_pb2.py"]
    assert found(tmp_path, "pkg") == ["pkg/c.py", "pkg/keep/e_pb2.py"]


@pytest.mark.parametrize("wrong", ["[z-a]", "!", "a\\", "\ufeff", "*a*.*p*y*", "# ****** *** * * *"])
def test_a_line_of_gitignore_that_is_no_pattern_leaves_the_others(tmp_path: Path, wrong: str) -> None:
    tree(tmp_path, ".git/config", "a.py", "gen/b.py", "c\x0c.py")
    (tmp_path / ".gitignore").write_text(f"{wrong}\r\ngen/\r\nc\x0c.py", encoding="utf-8", newline="")
    assert found(tmp_path) == ["a.py"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_gitignore_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    tree(tmp_path, ".git/config", "a.py")
    os.mkfifo(tmp_path / ".gitignore")
    assert found(tmp_path) == ["a.py"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_settings_that_say_nothing_are_told_whatever_is_linted(tmp_path: Path, jobs: int) -> None:
    config = Config(select=("unregistered-module-lists",))
    for names in ((), ("a.py", "b.py")):
        tree(tmp_path, *names)
        with pytest.raises(ModscopeError, match="the nearest is 'unregistered-module-list'"):
            modscope.lint([tmp_path], config, jobs=jobs)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("pattern", ["[z-a]", "!", "a\\", "*a*.*p*y*"])
def test_what_is_no_pattern_is_told(tmp_path: Path, pattern: str, jobs: int) -> None:
    tree(tmp_path, "a.py", "b.py")
    settings = {
        "exclude": Config(exclude=(pattern,)),
        "extend-exclude": Config(extend_exclude=(pattern,)),
        "per-file-ignores": Config(per_file_ignores=((pattern, ("ALL",)),)),
    }
    for key, config in settings.items():
        with pytest.raises(ModscopeError, match=f"^{key}: .* is no pattern"):
            modscope.lint([tmp_path], config, jobs=jobs)


def test_gitignore_is_not_heeded_where_the_settings_say_so(tmp_path: Path) -> None:
    tree(tmp_path, ".git/config", "a.py")
    (tmp_path / ".gitignore").write_text("a.py\n")
    assert found(tmp_path) == []
    (tmp_path / "pyproject.toml").write_text("[tool.modscope]\nrespect-gitignore = false\n")
    assert found(tmp_path) == ["a.py"]


def test_patterns_are_relative_to_the_file_that_says_them(tmp_path: Path) -> None:
    tree(tmp_path, "pkg/a.py", "pkg/old/b.py", "old/c.py")
    (tmp_path / "pkg/pyproject.toml").write_text("[tool.modscope]\nextend-exclude = ['/old']\n")
    assert found(tmp_path) == ["old/c.py", "pkg/a.py"]


def test_a_file_under_two_names_is_linted_once(tmp_path: Path) -> None:
    tree(tmp_path, "a.py")
    (tmp_path / "b.py").symlink_to(tmp_path / "a.py")
    assert found(tmp_path, ".", "a.py") == ["a.py"]


def test_a_path_that_does_not_exist_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ModscopeError, match=r"no such file or folder: .*nowhere"):
        modscope.lint([tmp_path / "nowhere"])


def test_per_file_ignores_switch_rules_off(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    for name in ("net.py", "tests/net.py"):
        (tmp_path / name).write_text(NET)
    config = Config(root=str(tmp_path), select=("direct-forward-call",), per_file_ignores=(("tests/**", ("ALL",)),))
    report = modscope.lint([tmp_path], config)
    assert [Path(finding.location.file).relative_to(tmp_path).as_posix() for finding in report] == ["net.py"]


NOTEBOOK = """{"cells": [
 {"cell_type": "markdown", "source": ["# Title"]},
 {"cell_type": "code", "source": ["%matplotlib inline\\n", "!pip install torch\\n", "from torch import nn"]},
 {"cell_type": "code", "source": ["%%bash\\n", "ls ("]},
 {"cell_type": "code", "source": "def broken(:"},
 {"cell_type": "code", "source": ["class Net(nn.Module):\\n", "    def __init__(self):\\n",
  "        super().__init__()\\n", "        self.layers = [nn.Linear(1, 1)]\\n"]}
]}"""


def test_findings_in_a_notebook_stand_in_their_cells(tmp_path: Path) -> None:
    (tmp_path / "net.ipynb").write_text(NOTEBOOK)
    report = modscope.lint([tmp_path], Config(select=("unregistered-module-list",)))
    places = [(each.rule, each.location.cell, each.location.line, each.location.column) for each in report]
    assert places == [("syntax-error", 4, 1, 12), ("unregistered-module-list", 5, 4, 9)]
    assert report.findings[1].no_fix == "notebooks are not rewritten"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cells": 1}', "[" * 100_000, '{"cells": [{"cell_type": "code"}]}'])
def test_a_notebook_that_is_none_is_a_finding(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.ipynb").write_text(text)
    assert [finding.rule for finding in modscope.lint([tmp_path])] == ["unreadable-file"]


@pytest.mark.parametrize(("file", "found"), [("modeling_net.py", 1), ("modular_net.py", 0)])
def test_a_template_that_nobody_imports_may_set_modules_early(tmp_path: Path, file: str, found: int) -> None:
    init = "    def __init__(self):\n        self.fc = nn.Linear(4, 2)\n        super().__init__()\n"
    (tmp_path / file).write_text(f"from torch import nn\nclass Net(nn.Module):\n{init}")
    report = modscope.lint([tmp_path], Config(select=("assign-before-super-init",)))
    assert len(report) == found
