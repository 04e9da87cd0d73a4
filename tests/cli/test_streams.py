"""What every command prints, wherever it is printed to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli


def test_a_stream_of_another_encoding_gets_a_table_too(folder: Path) -> None:
    command = [sys.executable, "-m", "modscope", "summary", "--tree", "net.py:net"]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert b"\n---------" in done.stdout.replace(b"\r\n", b"\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(
    "arguments", [["summary", "--tree", "net.py:net"], ["lint", "--output-format=json"], ["explain"]]
)
def test_output_that_cannot_be_written_is_an_error_without_a_traceback(folder: Path, arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "modscope", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: [Errno 28]")
    assert "Traceback" not in done.stderr


def test_a_line_of_an_error_is_no_command_to_a_runner(cli: Cli) -> None:
    result = cli("summary", "net.py:net", "--input", "::error::forged")
    assert "forged" in result.stderr
    assert not [line for line in result.stderr.splitlines() if line.lstrip().startswith("::")]
