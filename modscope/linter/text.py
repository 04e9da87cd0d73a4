"""Bytes of a source file -> text, lines, tree; and back from characters to bytes. Anything unreadable says why."""

from __future__ import annotations

import ast
import codecs
import io
import os
import re
import stat
import tokenize
import warnings
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from modscope.findings import Edit, Finding, Location

LARGEST = 2_000_000  # bytes; LibCST needs 360 times as much memory
_LONGEST_SHOWN = 2_000  # characters; it is kept with every finding on the line
_NO_WAITING = getattr(os, "O_NONBLOCK", 0)
_NEWLINE = re.compile(r"\r\n|\r|\n")  # what ends a line for Python; str.splitlines knows more


class UnreadableSource(Exception):
    """A file that could not be read as Python: why, and where if that is known."""

    def __init__(self, rule: str, reason: str, line: int = 1, column: int = 1) -> None:
        super().__init__(reason)
        self.rule = rule  # "unreadable-file" or "syntax-error"
        self.reason = reason
        self.line = line
        self.column = column

    def finding(self, file: str) -> Finding:
        """As a finding; it is reported whatever was selected."""
        return Finding(self.rule, self.reason, location=Location(file, self.line, self.column))


def read(path: str) -> bytes:
    """The bytes of a regular file; opened only after a look, and without waiting for what never comes."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableSource("unreadable-file", "not a regular file")
        if status.st_size > LARGEST:
            raise UnreadableSource("unreadable-file", f"{status.st_size} bytes; the most that is read is {LARGEST}")
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NO_WAITING)) as file:
            data: bytes | None = file.read(LARGEST + 1)
    except OSError as error:
        raise UnreadableSource("unreadable-file", f"cannot be read: {error.strerror or error}") from None
    if data is None or len(data) > LARGEST:  # some files of /proc have a size of zero
        raise UnreadableSource("unreadable-file", f"no end after {LARGEST} bytes" if data else "nothing to read yet")
    return data


@dataclass(frozen=True)
class SourceText:
    """A decoded text that knows where its characters stand in the bytes."""

    file: str
    data: bytes = field(repr=False)
    text: str = field(repr=False)  # without byte order mark
    encoding: str
    mark: int  # bytes before the text

    @classmethod
    def decode(cls, data: bytes, file: str = "<text>") -> SourceText:
        """Decode as Python does: by byte order mark, cookie, else UTF-8. Raises UnreadableSource."""
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            mark = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
            encoding = "utf-8" if encoding == "utf-8-sig" else encoding
            return cls(file, data, data[mark:].decode(encoding), encoding, mark)
        except (SyntaxError, UnicodeError, LookupError) as error:
            line = data.count(b"\n", 0, error.start) + 1 if isinstance(error, UnicodeDecodeError) else 1
            reason = error.msg if isinstance(error, SyntaxError) else str(error)
            raise UnreadableSource("unreadable-file", f"cannot be decoded: {reason}", line) from None

    @cached_property
    def starts(self) -> list[int]:
        """The character each line starts at."""
        if "\r" not in self.text:
            starts, place = [0], self.text.find("\n")
            while place >= 0:
                starts.append(place + 1)
                place = self.text.find("\n", place + 1)
            return starts
        return [0, *(match.end() for match in _NEWLINE.finditer(self.text))]

    def lines(self, first: int, last: int) -> str:
        """The text of some lines, ends kept; counted from 1, both included."""
        end = self.starts[last] if last < len(self.starts) else len(self.text)
        return self.text[self.starts[first - 1] : end]

    def line_of(self, place: int) -> int:
        """The line, from 1, that a character stands on."""
        return bisect_right(self.starts, place)

    def line(self, number: int) -> str | None:
        """One line without its end, to be shown; None for one that is too long for that."""
        line = self.lines(number, number).rstrip("\r\n") if number <= len(self.starts) else ""
        return line if len(line) <= _LONGEST_SHOWN else None

    def place(self, line: int | None, column: int | None) -> int:
        """The character at a place as `ast` tells it: the line from 1, the column in UTF-8 bytes from 0."""
        start = self.starts[(line or 1) - 1]
        if self.text.isascii():
            return start + (column or 0)
        return start + bisect_left(self._widths(line or 1), column or 0)

    def location(self, start: int, end: int) -> Location:
        """The place of some characters, in lines and columns."""
        line, last = self.line_of(start), self.line_of(end)
        column, end_column = start - self.starts[line - 1] + 1, end - self.starts[last - 1] + 1
        return Location(self.file, line, column, last, end_column)

    def edit(self, start: int, end: int, text: str) -> Edit:
        """What puts a text in the place of some characters."""
        return Edit(self.byte(start), self.byte(end), text, self.location(start, end))

    @cached_property
    def newline(self) -> str:
        """What ends the first line."""
        found = _NEWLINE.search(self.text)
        return found[0] if found else "\n"

    def byte(self, place: int) -> int:
        """The byte at which a character starts."""
        if self.text.isascii():
            return self.mark + place
        line = self.line_of(place)
        column = place - self.starts[line - 1]
        if self.encoding == "utf-8":
            return self._line_bytes[line - 1] + self._widths(line)[column]
        return self._line_bytes[line - 1] + len(self.text[place - column : place].encode(self.encoding))

    def _widths(self, line: int) -> Sequence[int]:
        """For each place in a line the bytes before it, in UTF-8."""
        if line not in self._widths_of_lines:
            text = self.lines(line, line)
            each = (1 if char < "\x80" else 2 if char < "\u0800" else 3 if char < "\U00010000" else 4 for char in text)
            self._widths_of_lines[line] = (
                range(len(text) + 1) if text.isascii() else array("L", accumulate(each, initial=0))
            )
        return self._widths_of_lines[line]

    @cached_property
    def _widths_of_lines(self) -> dict[int, Sequence[int]]:
        return {}

    @cached_property
    def _line_bytes(self) -> list[int]:
        lengths = (len(self.lines(number, number).encode(self.encoding)) for number in range(1, len(self.starts)))
        return list(accumulate(lengths, initial=self.mark))

    @cached_property
    def splices(self) -> bool:
        """Whether text can be put back byte for byte: false for encodings that have two ways to write one text."""
        return self.text.encode(self.encoding) == self.data[self.mark :]


def parse(source: bytes | SourceText) -> ast.Module:
    """The tree of a text. Raises UnreadableSource with rule, reason and place."""
    if isinstance(source, bytes):
        source = SourceText.decode(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in somebody's string is not our business
            return _tree(source.text)
    except SyntaxError as error:
        raise UnreadableSource("syntax-error", error.msg, error.lineno or 1, error.offset or 1) from None
    except ValueError as error:
        raise UnreadableSource("syntax-error", str(error), source.line_of(max(0, source.text.find("\0")))) from None
    except (RecursionError, MemoryError):
        raise UnreadableSource("unreadable-file", "nested too deeply to be parsed") from None


def _tree(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        from modscope.linter.modern import spelt_for_older

        try:
            return ast.parse(spelt_for_older(text))
        except SyntaxError:
            raise error from None
