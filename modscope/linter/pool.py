"""Linting in other processes: several at once, and each with a deadline, so that a file that ends one ends only that.

A worker is this interpreter, started anew with `modscope.linter.worker`: no fork of a process with threads, no second
import of the caller's script.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Thread, Timer
from typing import Any

from modscope.config import Config
from modscope.linter.run import Outcome, Run
from modscope.linter.text import UnreadableSource

DEADLINE = 30.0  # seconds a file may take, and so many more for each megabyte

Work = tuple[int, Path, Config]


class Failure(Exception):
    """What went wrong in a worker, and is no file's doing: the traceback there."""


def spread(work: list[Work], run: Run, jobs: int) -> Iterator[tuple[int, Outcome]]:
    """The outcome of every file, as they come. Raises Failure where linting itself fails."""
    waiting: SimpleQueue[Work] = SimpleQueue()
    for each in work:
        waiting.put(each)
    done: SimpleQueue[tuple[int, Outcome | Failure]] = SimpleQueue()
    threads = [
        Thread(target=_serve, args=(waiting, done, run), daemon=True) for _ in range(max(1, min(jobs, len(work))))
    ]
    for thread in threads:
        thread.start()
    for _ in work:
        number, outcome = done.get()
        if isinstance(outcome, Failure):
            raise outcome
        yield number, outcome
    for thread in threads:
        thread.join()


def _serve(waiting: SimpleQueue[Work], done: SimpleQueue[tuple[int, Outcome | Failure]], run: Run) -> None:
    """Feed one worker, and the next one where it died."""
    worker: _Worker | None = None
    while not waiting.empty():
        number, path, config = waiting.get()
        worker = worker or _Worker(run)
        outcome = worker.lint(path, config)
        if outcome is None:
            worker = None
            reason = f"not examined: reading it took longer than {_deadline(path):.0f} s, or more memory than there is"
            outcome = Outcome((UnreadableSource("unreadable-file", reason).finding(str(path)),))
        done.put((number, outcome))
    if worker is not None:
        worker.close()


def _deadline(path: Path) -> float:
    try:
        return DEADLINE * (1 + path.stat().st_size / 1_000_000)
    except OSError:
        return DEADLINE


class _Worker:
    def __init__(self, run: Run) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "modscope.linter.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._send((run.fix, run.write, run.remembers))

    def lint(self, path: Path, config: Config) -> Outcome | Failure | None:
        """The outcome of one file; None where the worker did not live to tell it."""
        watch = Timer(_deadline(path), self.process.kill)
        watch.start()
        try:
            self._send((path, config))
            outcome: Outcome | Failure = pickle.load(self.process.stdout)  # type: ignore[arg-type]
            return outcome
        except (OSError, EOFError, pickle.UnpicklingError):
            self.process.kill()
            self.process.wait()
            return None
        finally:
            watch.cancel()

    def close(self) -> None:
        """Let it end."""
        if self.process.stdin and self.process.stdout:
            self.process.stdin.close()
            self.process.stdout.close()
        self.process.wait()

    def _send(self, message: Any) -> None:
        assert self.process.stdin is not None
        pickle.dump(message, self.process.stdin)
        self.process.stdin.flush()
