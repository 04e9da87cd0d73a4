"""`# modscope: ignore[rule]` and its kin: where they stand, what they hide, how to add and remove them.

    x = []  # modscope: ignore[unregistered-module-list, class-level-module]    these rules, here
    x = []  # modscope: ignore                                                  every rule, here; also ignore[ALL]
    # modscope: ignore-file[unregistered-module-list]                           this rule, in the whole file
    x = []  # noqa                                                              heard too; `# noqa: E501` is not ours

A comment speaks for its own line; on the last line of a statement that has several, for all of them.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass, field

ALL = "ALL"  # as in `select = ["ALL"]`
_OURS = re.compile(r"#\s*modscope:\s*(ignore(?:-file)?)(?![\w-])(?:\s*\[([^\]#]*)(\]?))?")
_NOQA = re.compile(r"#\s*noqa(?!\s*:)(?![\w-])", re.IGNORECASE)
_NEWLINE = re.compile(r"\r\n|\r|\n")  # what ends a line for Python; str.splitlines knows more
_NO_STATEMENT = (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


@dataclass(frozen=True, slots=True)
class Ignore:
    """One comment that hides findings."""

    line: int  # where it stands, from 1
    first: int  # the lines it speaks for, both included
    last: int
    start: int  # its characters in the text, from "#" to the end of the bracket
    end: int
    rules: tuple[str, ...] | None  # None: every rule
    everywhere: bool = False  # `ignore-file`
    ours: bool = True  # False: a bare noqa, which may serve another tool and so is never unused

    def hides(self, rule: str, line: int) -> bool:
        """Whether it hides this rule's finding that starts on this line."""
        return (self.everywhere or self.first <= line <= self.last) and (self.rules is None or rule in self.rules)


@dataclass(frozen=True, slots=True)
class Ignores:
    """All that one text says."""

    ignores: tuple[Ignore, ...] = ()
    _by_line: dict[int, list[Ignore]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for ignore in self.ignores:
            for line in (0,) if ignore.everywhere else range(ignore.first, ignore.last + 1):
                self._by_line.setdefault(line, []).append(ignore)

    def hiding(self, rule: str, line: int) -> tuple[Ignore, ...]:
        """Those that hide a rule's finding that starts on a line."""
        near = (*self._by_line.get(0, ()), *self._by_line.get(line, ()))
        return tuple(ignore for ignore in near if ignore.hides(rule, line))


def mentioned(text: str) -> bool:
    """Whether a text may hold comments of ours (a bare `# noqa` does not count): cheap, and never wrongly False."""
    return "modscope:" in text


def read(text: str) -> Ignores:
    """The comments of a Python text that hide findings; the same words inside a string are no comment.

    Of a text that cannot be tokenised to its end: those before that place.
    """
    if not mentioned(text) and "noqa" not in text.lower():
        return Ignores()
    layout = _Layout.of(text)
    found = []
    for line, column, comment in layout.comments:
        first, last = layout.statements.get(line, (line, line))
        offset = layout.starts[line - 1] + column
        spans = (first, line) if last == line else (line, line)
        if match := _OURS.search(comment):
            start, end = offset + match.start(), offset + match.end()
            everywhere = match[1] == "ignore-file"
            found.append(Ignore(line, *spans, start, end, _rules(match), everywhere))
        if match := _NOQA.search(comment):
            start, end = offset + match.start(), offset + match.end()
            found.append(Ignore(line, *spans, start, end, None, ours=False))
    return Ignores(tuple(found))


def without(text: str, ignore: Ignore, unused: tuple[str, ...]) -> tuple[int, int, str]:
    """The edit (start, end, replacement; in characters) that takes unused rules out of a comment.

    When none is left the comment goes, with the blanks before it, and with its line if it stood alone there; what
    else the comment says stays.
    """
    kept = [rule for rule in ignore.rules or () if rule not in unused]
    if kept:
        return ignore.start, ignore.end, _comment(kept, ignore.everywhere)
    newline = _NEWLINE.search(text, ignore.end)
    line_end = newline.start() if newline else len(text)
    rest = text[ignore.end : line_end]
    if rest.strip():
        another = rest.lstrip().startswith("#")
        return (ignore.start, line_end - len(rest.lstrip()), "") if another else (ignore.start, ignore.end, "#")
    start = ignore.start
    while start and text[start - 1] in " \t\f":
        start -= 1
    alone = start == 0 or text[start - 1] in "\r\n"
    return start, newline.end() if newline and alone else line_end, ""


def add(text: str, rules: Mapping[int, frozenset[str]]) -> str:
    """The text with a comment that ignores each line's rules, merged with the one that stands there.

    Where a line cannot end in a comment (inside a string, before a backslash) it goes to the statement's last line.
    """
    layout = _Layout.of(text)
    wanted: dict[int, set[str]] = {}
    for line, names in rules.items():
        place = layout.statements.get(line, (line, line))[1] if line in layout.open_ends else line
        wanted.setdefault(place, set()).update(names)
    here = {ignore.line: ignore for ignore in read(text).ignores if ignore.ours and not ignore.everywhere}
    pieces, position = [], 0
    for line in sorted(wanted):
        if line in here:
            start, end, blanks = here[line].start, here[line].end, ""
            wanted[line].update(here[line].rules or ())
        else:
            start = layout.starts[line - 1] + len(layout.lines[line - 1].rstrip(" \t\f"))
            end, blanks = layout.starts[line - 1] + len(layout.lines[line - 1]), "  "
        pieces += [text[position:start], blanks, _comment(sorted(wanted[line]), False)]
        position = end
    return "".join((*pieces, text[position:]))


def _rules(match: re.Match[str]) -> tuple[str, ...] | None:
    if match[2] is None:
        return None
    # a bracket that is never closed names nothing: better a finding too many than a silent file
    names = tuple(filter(None, map(str.strip, match[2].split(",")))) if match[3] else ()
    return None if ALL in names else names


def _comment(rules: list[str], everywhere: bool) -> str:
    return f"# modscope: ignore{'-file' if everywhere else ''}[{', '.join(rules)}]"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the comments and the statements of a text are."""

    lines: list[str]
    starts: list[int]  # character each line starts at
    comments: list[tuple[int, int, str]]  # line, column, text
    statements: dict[int, tuple[int, int]]  # line -> first and last line of its statement
    open_ends: set[int]  # lines that end inside a string or before a backslash

    @classmethod
    def of(cls, text: str) -> _Layout:
        ends = [(match.start(), match.end()) for match in _NEWLINE.finditer(text)]
        starts = [0, *(end for _, end in ends)]
        lines = [text[start:stop] for start, stop in zip(starts, [*(stop for stop, _ in ends), len(text)], strict=True)]
        layout = cls(lines, starts, [], {}, {number for number, line in enumerate(lines, 1) if line.endswith("\\")})
        layout._tokenize()
        return layout

    def _tokenize(self) -> None:
        first = None  # line the running statement began on
        try:
            for token in tokenize.generate_tokens(io.StringIO("\n".join(self.lines)).readline):
                line, end = token.start[0], token.end[0]
                if token.type == tokenize.COMMENT:
                    self.comments.append((line, token.start[1], token.string))
                elif token.type == tokenize.NEWLINE:
                    self.statements.update(dict.fromkeys(range(first or line, line + 1), (first or line, line)))
                    first = None
                elif token.type not in _NO_STATEMENT:
                    first = first or line
                    if token.type != tokenize.OP:
                        self.open_ends.update(range(line, end))
        except (tokenize.TokenError, SyntaxError):
            return
