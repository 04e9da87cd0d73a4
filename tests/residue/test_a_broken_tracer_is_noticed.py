"""Take one piece of the tracer's undoing away, and the harness says so. Each in a process of its own, beyond repair."""

from __future__ import annotations

import multiprocessing
import sys
from importlib import import_module
from multiprocessing.connection import Connection

import pytest

from tests.residue.modules.tree_changes import changes_everything
from tests.residue.scene import perform, recorded, survivors, traced, violations
from tests.residue.situations import normal

PIECES = [
    "restore.Names.put_back",
    "restore.Members.put_back",
    "numbers.Numbers.put_back",
    "restore.ModelState.put_back",
    "restore.ModelState._take_gradients",
    "restore._Modules.put_back",
    "restore._Gradients.put_back",
    "bindings.ClassAttributes.put_back",
    "switches.Switches.put_back",
    "shared.Shared.leave",
    "calls.end",
    "watch.Watch.stop",
    "tree.Captured.release",
    "tracing.Before.end",
]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no fork")


def break_and_look(piece: str, answer: Connection) -> None:
    """Replace a function of the tracer by one that does nothing, and send what the harness finds."""
    module, *way, name = piece.split(".")
    holder = import_module(f"modscope.tracer.{module}")
    for step in way:
        holder = getattr(holder, step)
    assert callable(getattr(holder, name))
    setattr(holder, name, lambda *args, **kwargs: None)
    answer.send(violations(perform(changes_everything, normal, traced), normal))
    answer.send(violations(perform(changes_everything, normal, recorded), normal))
    answer.send(survivors(changes_everything, normal, traced)[1])


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_that_undoes_nothing_is_noticed(piece: str) -> None:
    # not forked from here: torch's threads for backward may run already, and would not come along
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.residue.scene"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=break_and_look, args=(piece, sender))
    process.start()
    sender.close()
    found = [receiver.recv(), receiver.recv(), receiver.recv()]
    process.join()
    assert any(found)
