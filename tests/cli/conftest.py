"""The command line in this process, in a folder of its own with a model in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from modscope.cli import main
from tests.workplace import work_in

Cli = Callable[..., Result]

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.fc = nn.Linear(width, 2)
        self.head = nn.Linear(2, 1)

    def forward(self, x, scale=None):
        return self.head(self.fc(x))


class Masked(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 4)

    def forward(self, ids, *, mask: "torch.Tensor"):
        return self.embedding(ids) * mask


net = Net()
number = 3


def with_inputs():
    return Net(), (torch.zeros(1, 4),)


def masked():
    return Masked(10)


def broken():
    raise RuntimeError("no data here")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The working directory; it holds net.py."""
    (tmp_path / "net.py").write_text(NET)
    with work_in(tmp_path):
        yield tmp_path


@pytest.fixture
def cli(folder: Path) -> Cli:
    """`cli("summary", "net.py:net")` runs the command in that folder."""
    return lambda *arguments: CliRunner().invoke(main, [*map(str, arguments)])


def modscope_without(package: str, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """The command line where importing the package fails, as if it were not installed.

    It runs in an interpreter of its own, in the working directory; programs are found on `path` only.
    """
    code = f"import sys; sys.modules[{package!r}] = None; from modscope.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path})
