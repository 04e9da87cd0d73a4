"""The arrows between the rooms, as import-linter sees them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def copy_of_the_house(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "modscope", tmp_path / "modscope", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program is not None
    return subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True)


def test_every_arrow_points_down(copy_of_the_house: Path) -> None:
    done = lint_imports(copy_of_the_house)
    assert done.returncode == 0, done.stdout


def test_a_file_outside_every_layer_is_refused(copy_of_the_house: Path) -> None:
    (copy_of_the_house / "modscope" / "stray.py").write_text("")
    done = lint_imports(copy_of_the_house)
    assert done.returncode == 1
    assert "stray" in done.stdout


def test_the_linter_may_not_import_torch(copy_of_the_house: Path) -> None:
    (copy_of_the_house / "modscope" / "linter" / "stray.py").write_text("import torch\n")
    done = lint_imports(copy_of_the_house)
    assert done.returncode == 1
    assert "modscope.linter.stray -> torch" in done.stdout
