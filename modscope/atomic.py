"""Writing a file whole or not at all."""

import os
from pathlib import Path

from modscope.errors import ModscopeError


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """Replace the file by one with this content, its mode kept; a reader sees the old or the new one, never half.

    A link stays a link: the file behind it is replaced. What is no file, as `/dev/null` or a pipe, is written into: it
    must not become one. Raises ModscopeError where that is not possible.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as stream:
                stream.write(content)
        else:
            _replace(path, content)
    except OSError as error:
        raise ModscopeError(f"cannot write {str(path)!r}: {error.strerror}") from None


def _replace(path: str | os.PathLike[str], content: bytes) -> None:
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{os.urandom(8).hex()}.tmp")  # beside it: a rename cannot cross file systems
    # os.open applies the umask, as a plain open() of a new file would; tempfile makes it private
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o7777)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
