"""Tests that need a program which is not there are deselected, counted and named at the end of the run."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

PROGRAMS = {"dot": ("dot",), "browser": ("chromium", "chromium-browser", "google-chrome"), "node": ("node",)}
# Tables fit themselves into the terminal; pytest-xdist tells its workers the width of one.
os.environ.pop("COLUMNS", None)
LEFT_OUT = pytest.StashKey[dict[str, list[str]]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = {marker for marker, names in PROGRAMS.items() if not any(map(shutil.which, names))}
    left_out: dict[str, list[str]] = {}
    kept = []
    for item in items:
        needs = [marker for marker in missing if item.get_closest_marker(marker)]
        if needs:
            left_out.setdefault(needs[0], []).append(item.nodeid)
        else:
            kept.append(item)
    config.stash[LEFT_OUT] = left_out
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Each worker of pytest-xdist collects all tests: what one left out, all did."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for marker, names in config.stash.get(LEFT_OUT, {}).items():
        terminalreporter.section(f"{len(names)} tests left out: no {PROGRAMS[marker][0]}")
        terminalreporter.write_line("\n".join(names))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    left_out = session.config.stash.get(LEFT_OUT, {})
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = left_out
    elif left_out and os.environ.get("MODSCOPE_ALL_PROGRAMS"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
