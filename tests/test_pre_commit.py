"""The hooks as the real pre-commit runs them: it builds this package, without torch, in an environment of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1]
PACKAGE = ("modscope", "_modscope_pytest.py", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml")
BUGGY = """from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 4)

    def forward(self, x):
        return self.body.forward(x)
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository with the package as it is now."""
    repository = tmp_path_factory.mktemp("modscope")
    for name in PACKAGE:
        if (HOME / name).is_dir():
            shutil.copytree(HOME / name, repository / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(HOME / name, repository)
    git(repository, "init", "-q")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "package")
    return repository


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit keeps its environments: one for all tests, because building it takes a while."""
    return tmp_path_factory.mktemp("pre-commit")


@pytest.fixture
def project(tmp_path: Path, hooks: Path) -> Path:
    """Somebody's git repository that uses both hooks, with a bug staged."""
    revision = git(hooks, "rev-parse", "HEAD").stdout.strip()
    (tmp_path / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {hooks}\n  rev: {revision}\n  hooks:\n  - id: modscope-lint\n"
        "  - id: modscope-fix\n    stages: [manual]\n"
    )
    (tmp_path / "net.py").write_text(BUGGY)
    (tmp_path / "notes.txt").write_text("no Python here")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    return tmp_path


@pytest.fixture
def pre_commit(project: Path, store: Path) -> Run:
    environment = {**os.environ, "PRE_COMMIT_HOME": str(store), "PRE_COMMIT_COLOR": "never"}
    return lambda *arguments: run(project, sys.executable, "-m", "pre_commit", *map(str, arguments), env=environment)


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    author = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false")
    done = run(folder, "git", *author, *arguments)
    assert done.returncode == 0, done.stderr
    return done


def run(folder: Path, *command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def test_a_staged_bug_fails_with_its_finding_and_passes_once_mended(project: Path, pre_commit: Run) -> None:
    done = pre_commit("run")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "net.py:10:16: direct-forward-call `self.body.forward(...)` skips the hooks of `self.body`" in done.stdout
    (project / "net.py").write_text(BUGGY.replace(".forward(x)", "(x)"))
    git(project, "add", "net.py")
    done = pre_commit("run")
    assert done.returncode == 0, done.stdout
    assert "Passed" in done.stdout


def test_the_fixing_hook_mends_the_staged_file(project: Path, pre_commit: Run) -> None:
    done = pre_commit("run", "modscope-fix", "--hook-stage", "manual")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "files were modified by this hook" in done.stdout
    assert (project / "net.py").read_text() == BUGGY.replace(".forward(x)", "(x)")
    git(project, "add", "net.py")
    assert pre_commit("run", "modscope-fix", "--hook-stage", "manual").returncode == 0


def test_the_environment_of_the_hook_has_no_torch(store: Path, pre_commit: Run) -> None:
    pre_commit("install-hooks")
    (python,) = (*store.glob("repo*/py_env*/bin/python"), *store.glob("repo*/py_env*/Scripts/python.exe"))
    listed = run(store, str(python), "-m", "pip", "list", "--format=freeze").stdout.lower()
    assert "libcst==" in listed
    assert "torch" not in listed


def test_the_repository_can_be_tried_before_it_is_used(hooks: Path, pre_commit: Run) -> None:
    done = pre_commit("try-repo", hooks, "modscope-lint", "--files", "net.py")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "net.py:10:16: direct-forward-call" in done.stdout
