"""Foreign text made harmless and measured: what a model calls itself never moves the cursor or forges a line."""

from __future__ import annotations

from unicodedata import category, east_asian_width

# Control, format (bidi, zero width), surrogate, unassigned, line and paragraph separators.
INVISIBLE = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}


def visible(text: str) -> str:
    """The text with every invisible character shown: control characters as their pictures, others as escapes."""
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def line(text: str) -> str:
    """Foreign text at the start of a line: GitHub's runner obeys `::command::` there, and `##[command]` anywhere."""
    shown = inline(text)
    return shown.replace(":", "\\x3a", 1) if shown.lstrip().startswith("::") else shown


def inline(text: str) -> str:
    """Foreign text behind something else on a line."""
    return visible(text).replace("##[", "#\\x23[")


def _shown(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if category(char) not in INVISIBLE:
        return char
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width(text: str) -> int:
    """Columns a terminal needs: wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(char: str) -> int:
    if category(char) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(char) in ("W", "F") else 1


def clip(text: str, columns: int) -> str:
    """The text in at most so many columns, its middle left out: both ends of a path tell."""
    if width(text) <= columns:
        return text
    tail = _first(text[::-1], (columns - 1) // 2)[::-1]
    return _first(text, columns - 1 - width(tail)) + "…" + tail


def _first(text: str, columns: int) -> str:
    for end, char in enumerate(text):
        columns -= _columns(char)
        if columns < 0:
            return text[:end]
    return text


def pad(text: str, columns: int, right: bool = False) -> str:
    """The text filled up with blanks, on its left side when it belongs to the right."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks
