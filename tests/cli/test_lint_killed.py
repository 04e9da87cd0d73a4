"""`kill -9` while fixes are written: each file is the old one or the new one, never half of either."""

import multiprocessing
import os
import random
import time
from pathlib import Path

import pytest

from modscope import linter
from modscope.linter import rules
from tests.cli.test_lint import BUGGY

FILES, MOMENTS = 12, 100
OLD = "# a comment long enough that a file takes more than one block on the disk\n" * 200 + BUGGY
NEW = OLD.replace(".forward(x)\n", "(x)\n")


@pytest.mark.skipif(os.name == "nt", reason="no fork server there")
def test_a_file_is_old_or_new_whenever_the_process_is_killed(tmp_path: Path) -> None:
    # a process that has everything loaded already, so that the moments fall into the work
    processes = multiprocessing.get_context("forkserver")
    rule_modules = [f"modscope.linter.rules.{name.replace('-', '_')}" for name in rules.names()]
    processes.set_forkserver_preload(["libcst", "modscope.linter.run", *rule_modules])
    files = [tmp_path / f"net{number}.py" for number in range(FILES)]
    chance = random.Random(0)
    duration, halfway = 0.0, 0
    for moment in range(-2, MOMENTS):  # the first ones are left alone, to learn how long it takes
        for file in files:
            file.write_text(OLD)
        process = processes.Process(target=linter.lint, args=([tmp_path],), kwargs={"fix": "safe"})
        began = time.monotonic()
        process.start()
        if moment >= 0:
            time.sleep(duration * (moment + chance.random()) / MOMENTS)
            process.kill()
        process.join()
        if moment < 0:
            duration = time.monotonic() - began
        found = {file.read_text() for file in files}
        assert found <= {OLD, NEW}
        halfway += found == {OLD, NEW}
    assert halfway > MOMENTS / 4  # else the moments were not those that matter
