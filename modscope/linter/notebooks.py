"""The code cells of a notebook as one Python text, and its findings back in their cells."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, replace

from modscope.findings import Finding
from modscope.linter.text import UnreadableSource

_MAGIC = re.compile(r"[ \t]*[%!?]")
_NO_FIX = "notebooks are not rewritten"


@dataclass(frozen=True, slots=True)
class Notebook:
    """What the cells say, one after the other: a later cell sees the imports of an earlier one."""

    text: str
    cells: tuple[tuple[int, int], ...]  # number of a cell, from 1, and the line of the text it starts at
    broken: tuple[tuple[int, UnreadableSource], ...]  # cells that are no Python, left out of the text

    @classmethod
    def read(cls, data: bytes) -> Notebook:
        """Raises UnreadableSource for what is no notebook."""
        try:
            document = json.loads(data)
            sources = [
                (number, "".join(cell["source"]))
                for number, cell in enumerate(document["cells"], 1)
                if cell["cell_type"] == "code"
            ]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reason = f"not a notebook: {type(error).__name__}: {error}"
            raise UnreadableSource("unreadable-file", reason) from None
        texts, cells, broken, line = [], [], [], 1
        for number, source in sources:
            code = _python(source)
            if wrong := _error(code):
                broken.append((number, wrong))
                continue
            texts.append(code)
            cells.append((number, line))
            line += code.count("\n")
        return cls("".join(texts), tuple(cells), tuple(broken))

    def placed(self, finding: Finding, file: str) -> Finding:
        """The finding in its cell."""
        at = finding.location
        if at is None or not self.cells:
            return finding
        number, first = [cell for cell in self.cells if cell[1] <= at.line][-1]
        last = None if at.end_line is None else at.end_line - first + 1
        location = replace(at, file=file, line=at.line - first + 1, end_line=last, cell=number)
        no_fix = _NO_FIX if finding.fix else finding.no_fix
        return replace(finding, location=location, fix=None, no_fix=no_fix)


def _python(source: str) -> str:
    """The cell without what only IPython understands; lines stay where they are."""
    if source.lstrip().startswith("%%"):
        return "\n" * (source.count("\n") + 1)
    lines = source.splitlines()
    return "".join(f"{'' if _MAGIC.match(line) or line.rstrip().endswith('?') else line}\n" for line in lines)


def _error(code: str) -> UnreadableSource | None:
    try:
        ast.parse(code)
    except SyntaxError as error:
        return UnreadableSource("syntax-error", error.msg, error.lineno or 1, error.offset or 1)
    except (ValueError, RecursionError, MemoryError) as error:
        return UnreadableSource("unreadable-file", f"cannot be parsed: {error}")
    return None
