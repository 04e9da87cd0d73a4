"""A Graphviz picture: ids are our integers, foreign text is only ever a quoted label, looks have a legend."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from modscope.errors import MissingExtra
from modscope.text import clip, visible, width

if TYPE_CHECKING:
    import graphviz

LONGEST_LINE = 48
# The layout engine knows the widths of this font alone; the SVG names others of the same widths as well.
FONT = "Arial"

GRAPH = {
    "fontname": FONT,
    "fontsize": "11",
    "fontcolor": "#334155",
    "bgcolor": "white",
    "nodesep": "0.2",
    "ranksep": "0.22",
    "pad": "0.2",
    "charset": "UTF-8",
}
# Up to so many nodes dot searches long for the best places; far above, hardly, so that no picture stalls it.
SMALL = 300
NODE = {
    "fontname": FONT,
    "fontsize": "10",
    "fontcolor": "#0f172a",
    "shape": "box",
    "style": "rounded,filled",
    "fillcolor": "#e0f2fe",
    "color": "#0369a1",
    "height": "0.3",
    "margin": "0.1,0.04",
}
EDGE = {"fontname": FONT, "fontsize": "9", "color": "#475569", "arrowsize": "0.6"}

# How each kind of node looks, and what the legend calls it.
LOOKS: dict[str, tuple[str, dict[str, str]]] = {
    "call": ("a module's call", {}),
    "reused": ("module called more than once", {"fillcolor": "#ede9fe", "color": "#6d28d9", "penwidth": "2"}),
    "repeats": ("×N: drawn once, dashed to the next one", {"penwidth": "2"}),
    "unregistered": (
        "unregistered: not in named_modules()",
        {"fillcolor": "#fee2e2", "color": "#b91c1c", "peripheries": "2"},
    ),
    "never": ("registered, never called", {"style": "rounded,dashed", "color": "#64748b", "fontcolor": "#475569"}),
    "raised": ("raised an exception", {"fillcolor": "#b91c1c", "color": "#7f1d1d", "fontcolor": "white"}),
    "op": ("op between modules", {"style": "filled", "fillcolor": "white", "color": "#94a3b8", "height": "0.22"}),
    "join": (
        "",
        {
            "shape": "circle",
            "style": "filled",
            "fillcolor": "white",
            "color": "#475569",
            "width": "0.2",
            "height": "0.2",
            "margin": "0.01",
            "fixedsize": "true",
        },
    ),
    "escape": ("value read by Python", {"style": "filled", "fillcolor": "#ffedd5", "color": "#c2410c"}),
    "end": ("input or output", {"style": "filled", "fillcolor": "#dcfce7", "color": "#15803d"}),
    "standing": ("parameter, buffer, constant", {"shape": "note", "style": "filled", "fillcolor": "#fef9c3"}),
    "unknown": ("unknown source", {"style": "filled,dashed", "fillcolor": "#fff7ed", "color": "#c2410c"}),
    "connector": (
        "goes on at the same letter",
        {
            "shape": "circle",
            "style": "filled",
            "fillcolor": "#334155",
            "color": "#334155",
            "fontcolor": "white",
            "fontsize": "8",
            "width": "0.2",
            "height": "0.2",
            "margin": "0.01",
            "fixedsize": "true",
        },
    ),
    "stub": (
        "value with many readers",
        {"style": "filled", "fillcolor": "#f1f5f9", "color": "#cbd5e1", "height": "0.2"},
    ),
}
# A look too small for words, in the legend.
WORDY = {"shape": "box", "style": "rounded,filled", "fixedsize": "false", "margin": "0.1,0.04"}
# What needs no explanation as long as nothing else is there.
PLAIN = {"call", "op", "join", "end"}


class Picture:
    """A digraph under construction, of about `size` nodes."""

    def __init__(self, direction: str, size: int) -> None:
        try:
            import graphviz
        except ImportError:
            raise MissingExtra("a picture", "render", "graphviz") from None
        self._escape = graphviz.nohtml
        # nslimit1 stays as it is: dot aborts on clusters whose ranks are not optimal.
        effort = f"{min(4, (SMALL / max(size, 1)) ** 2):.3g}"
        settings = {**GRAPH, "rankdir": direction, "nslimit": effort, "mclimit": effort}
        self.graph = graphviz.Digraph(graph_attr=settings, node_attr=NODE, edge_attr=EDGE)
        self.ids = 0
        self.looks: set[str] = set()

    def text(self, lines: Iterable[str]) -> str:
        """A label of these lines: to Graphviz nothing in them is markup, an escape or an entity."""
        shown = (clip(visible(line), LONGEST_LINE).replace("\\", r"\\").replace("&", "&amp;") for line in lines if line)
        escaped: str = self._escape(r"\n".join(shown))  # a str that graphviz never takes for markup
        return escaped

    def node(self, box: graphviz.Digraph, look: str, lines: Iterable[str]) -> str:
        """A node of that look in this box; its id."""
        self.ids += 1
        self.looks.add(look)
        lines = list(lines)
        attributes = dict(LOOKS[look][1])
        wide = max((width(visible(line)) - len(visible(line)) for line in lines), default=0)
        if wide > 0:  # the layout engine has no measures for wide characters
            attributes["width"] = f"{0.14 * wide + 0.08 * max(map(len, lines)):.2f}"
        box.node(str(self.ids), label=self.text(lines), **attributes)
        return str(self.ids)

    def outline(self, look: str) -> dict[str, str]:
        """That look's line for a box around others."""
        self.looks.add(look)
        attributes = {"color": NODE["color"], **LOOKS[look][1]}
        return {name: value for name, value in attributes.items() if name in ("color", "penwidth", "peripheries")}

    def edge(self, start: str, end: str, **attributes: Any) -> None:
        """An arrow."""
        self.graph.edge(start, end, **attributes)

    def source(self) -> str:
        """The DOT text, with a legend of the looks that occur where one of them needs it."""
        if self.looks - PLAIN:
            with self.graph.subgraph(name="cluster_legend") as legend:
                legend.attr(label="legend", style="rounded", color="#cbd5e1")
                names = [look for look in LOOKS if look in self.looks and LOOKS[look][0]]
                for look in names:
                    meaning, attributes = LOOKS[look]
                    sample = {**attributes, **WORDY} if attributes.get("fixedsize") else attributes
                    legend.node(f"legend_{look}", label=self.text([meaning]), **sample)
                for above, below in itertools.pairwise(names):
                    legend.edge(f"legend_{above}", f"legend_{below}", style="invis")
        return str(self.graph.source)
