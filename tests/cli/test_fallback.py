"""What is shown where a model cannot be run for real, and that it is said."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

# No address space holds what these ask for.
LARGE = """
import torch
from torch import nn


class Square(nn.Module):
    def forward(self, x):
        return (x[:, None] * x[None, :]).sum(0)


class Counts(nn.Linear):
    def forward(self, x):
        return super().forward(x)[: int(x.sum())]


def too_large_to_run():
    return Square(), (torch.zeros(10_000_000),)


def too_large_to_build():
    return nn.Linear(10_000_000, 10_000_000), (torch.zeros(1, 10_000_000),)


def without_numbers():
    return nn.Linear(100, 100, device="meta"), (torch.zeros(64, 100),)


def needs_numbers():
    return Counts(100, 100, device="meta"), (torch.zeros(64, 100),)


def does_not_fit():
    return nn.Linear(100, 100), (torch.zeros(64, 99),)
"""


@pytest.fixture
def large(folder: Path) -> None:
    (folder / "large.py").write_text(LARGE)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("too_large_to_run", "a real run needs more memory than there is"),
        ("too_large_to_build", "to build it for real needs more memory than there is"),
        ("without_numbers", "its parameters hold no numbers"),
    ],
)
def test_where_no_real_run_is_possible_one_without_numbers_is_shown_and_said(
    cli: Cli, target: str, reason: str
) -> None:
    done = cli("summary", f"large.py:{target}")
    assert done.exit_code == 0, done.output
    assert "1 call" in done.stdout
    assert "· fake" in done.stdout
    assert f"note: {reason}" in done.stderr
    assert "note: shown is a run without numbers, as with --fake" in done.stderr


@pytest.mark.usefixtures("large")
def test_where_no_run_is_possible_the_tree_is_shown_and_said(cli: Cli) -> None:
    done = cli("summary", "large.py:needs_numbers")
    assert done.exit_code == 0, done.output
    assert "Counts · 1 module · static" in done.stdout
    assert "large.py:13 asks for the number in a fake tensor" in done.stderr
    assert "note: shown is what is registered, as with --tree" in done.stderr


@pytest.mark.usefixtures("large")
def test_what_fake_cannot_do_is_an_error_where_fake_was_asked_for(cli: Cli) -> None:
    done = cli("summary", "large.py:needs_numbers", "--fake")
    assert done.exit_code == 2
    assert "large.py:13 asks for the number in a fake tensor" in done.stderr


@pytest.mark.usefixtures("large")
def test_an_exception_of_a_fake_run_is_told_of_once(cli: Cli) -> None:
    told: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = told.append  # type: ignore[method-assign]
    log = logging.getLogger("torch._subclasses.fake_tensor")
    log.addHandler(handler)
    try:
        done = cli("summary", "large.py:does_not_fit", "--fake")
    finally:
        log.removeHandler(handler)
    assert (done.exit_code, told, log.disabled) == (2, [], False)
    assert "the forward raised RuntimeError" in done.stderr


def test_a_real_run_needs_no_word(cli: Cli) -> None:
    assert cli("summary", "net.py:with_inputs").stderr == ""
