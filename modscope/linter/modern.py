"""Syntax that only a newer Python parses, spelt so that this one can: every character keeps its place.

LibCST reads it all, but only the classes it is given; finding those needs `ast`. So type parameters become blanks,
`type X = int` becomes `type=X = int`, `except A, B:` loses B, and f-strings with their own quotes inside become plain
strings.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\r\n]*)
    | (?P<formatted>\b(?:[fFtT][rR]?|[rR][fFtT])(?P<quote>'''|\"{3}|'|"))
    | (?P<text>(?:\b[rRbBuU]{1,2})?(?:'''(?:[^\\]|\\.)*?'''|\"{3}(?:[^\\]|\\.)*?\"{3}
        |'(?:[^'\\\r\n]|\\.)*'|"(?:[^"\\\r\n]|\\.)*"))
    | (?P<generic>\b(?:class|def)[ \t]+\w+[ \t]*\[)
    | (?P<alias>(?m:^)[ \t]*type[ \t]+(?=\w+[ \t]*[=\[]))
    | (?P<except>\bexcept[ \t]+[\w.]+(?=(?:[ \t]*,[ \t]*[\w.]+)+[ \t]*:))
    """,
    re.VERBOSE | re.DOTALL,
)
_DEEPEST = 50  # f-strings in f-strings


def spelt_for_older(text: str) -> str:
    """The text in the grammar of Python 3.11, as far as newer syntax is in the way."""
    pieces: list[str] = []
    place = 0
    while match := _TOKEN.search(text, place):
        pieces.append(text[place : match.start()])
        end = match.end()
        found = match[0]
        if match["formatted"]:
            end = _end_of_formatted(text, end, match["quote"])
            found = _plain(text[match.start() : end])
        elif match["generic"]:
            end = _end_of_brackets(text, end - 1)
            found = found[:-1] + _blank(text[match.end() - 1 : end])
        elif match["alias"]:
            found = f"{found.rstrip()}={' ' * (len(found) - len(found.rstrip()) - 1)}"
        elif match["except"]:
            end = text.index(":", end)
            found += _blank(text[match.end() : end])
        pieces.append(found)
        place = end
    return "".join((*pieces, text[place:]))


def _blank(text: str) -> str:
    return re.sub(r"[^\r\n]", " ", text)


def _plain(text: str) -> str:
    """A constant as long as this string, with its line ends."""
    opening, closing = ("(0", ")") if "\n" in text or "\r" in text else ('"', '"')
    return opening + _blank(text[len(opening) : -1]) + closing


def _end_of_brackets(text: str, start: int) -> int:
    """The character after the bracket that closes the one at `start`."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] in "([{") - (text[place] in ")]}")
        if not depth:
            return place + 1
    return len(text)


def _end_of_formatted(text: str, start: int, quote: str, level: int = 0) -> int:
    """The character after the end of an f-string whose content starts here; strings in its braces are skipped."""
    place, depth = start, 0
    while place < len(text) and level < _DEEPEST:
        if not depth and text.startswith(quote, place):
            return place + len(quote)
        character, following = text[place], text[place + 1 : place + 2]
        escaped = character == "\\" and following not in ("{", "}")
        doubled = character in "{}" and not depth and following == character
        if escaped or doubled:
            place += 1
        elif character in "([{":
            depth += depth > 0 or character == "{"
        elif character in ")]}":
            depth -= depth > 0
        elif depth and (inner := _TOKEN.match(text, place)) and (inner["comment"] or inner["text"]):
            place = inner.end() - 1
        elif depth and inner and inner["quote"]:
            place = _end_of_formatted(text, inner.end(), inner["quote"], level + 1) - 1
        place += 1
    return len(text)
