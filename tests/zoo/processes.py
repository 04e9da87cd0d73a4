"""Every model type in a process of its own, with a time limit, so that none can stop the others."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from tests.zoo.measure import Result, quiet

LIMIT = 300  # seconds for one model


def run_all(types: list[str], work: Callable[[str], Result], jobs: int) -> Iterator[Result]:
    """In the order given."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.zoo.measure"])  # transformers is imported once

    def one(name: str) -> Result:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(work, name, there))
        process.start()
        there.close()
        try:
            result = here.recv() if here.poll(LIMIT) else Result(name, "FAILED", why=f"not done in {LIMIT} s")
        except EOFError:
            result = Result(name, "FAILED", why="the process died")
        process.kill()
        process.join()
        return result

    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(one, types)


def _work(work: Callable[[str], Result], name: str, results: Connection) -> None:
    quiet()
    results.send(work(name))
