"""One statement as rules see it that look outside Module classes too."""

from __future__ import annotations

from modscope.linter import cst
from modscope.linter.facts import Scope
from modscope.linter.index import FileIndex
from modscope.linter.syntax import Syntax


class Statement(Syntax):
    """A statement that holds the rule's trigger: a simple one whole, of a compound one the header.

    `inside` is the qualified name of the class or function around it, "" at the top.
    """

    def __init__(self, node: cst.CSTNode, scope: Scope, index: FileIndex, inside: str, file_text: str) -> None:
        super().__init__(node, scope, index)
        self.inside = inside
        self.file_text = file_text  # of the whole file

    @property
    def target_torch(self) -> tuple[int, int] | None:
        """The oldest torch that the code is to run on; None where nothing says it."""
        return self.index.project.target_torch
