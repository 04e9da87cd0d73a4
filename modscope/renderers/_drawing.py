"""A dataflow put into a picture: which boxes, which nodes, which arrows, and what stands in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from modscope.data import Call, Trace
from modscope.graph import compare, contents
from modscope.renderers._columns import columns
from modscope.renderers._picture import Picture
from modscope.renderers._rows import shapes_text

# A value read more often than this is drawn as a stub beside each reader: long arrows are what costs dot its time.
MANY_READERS = 6
SIGNS = {"add": "+", "iadd": "+", "add_": "+", "mul": "×", "imul": "×", "mul_": "×", "sub": "−", "isub": "−"}


def draw(trace: Trace, flow: Any, direction: str) -> str:
    """DOT source of a dataflow of this trace."""
    picture = Picture(direction, len(flow))
    _Drawing(picture, trace, flow).draw()
    return picture.source()


class _Drawing:
    """Puts a dataflow into a picture."""

    def __init__(self, picture: Picture, trace: Trace, flow: Any) -> None:
        self.picture = picture
        self.trace = trace
        self.flow = flow
        self.inside = contents(flow, trace)
        self.times: Mapping[int, tuple[int, str]] = flow.graph.get("times", {})
        comparison = compare(trace)
        self.reused = {each.path for each in comparison.reused}
        self.forgotten = self._forgotten(set(comparison.never_called))
        self.columns = columns(flow, self.inside)
        self.letters: dict[Any, str] = {}
        self.ids: dict[Any, str] = {}
        self.many = {node for node in flow if flow.out_degree(node) > MANY_READERS}

    def draw(self) -> None:
        self._fill()
        self._order_columns()
        for start, end, carry in self.flow.edges(data="carry", default=False):
            if start in self.many:
                continue
            if carry:
                self.picture.edge(self.ids[start], self.ids[end], style="dashed", constraint="false")
            else:
                left = self._entry(start, end) if self._parted(start, end) else start
                self.picture.edge(self.ids[left], self.ids[end])

    def _order_columns(self) -> None:
        """The first node of each column pulls that of the next to its right."""
        heads = {self.columns[node]: node for node in reversed(list(self.flow)) if node in self.ids}
        for left, right in pairwise(heads[column] for column in sorted(heads)):
            self.picture.edge(self.ids[left], self.ids[right], style="invis", minlen="0", weight="0")

    def _parted(self, start: Any, end: Any) -> bool:
        return self.columns[start] != self.columns[end]

    def _entry(self, start: Any, end: Any) -> Any:
        """What stands for a value in the box of its reader, in another column."""
        return ("entry", start, self.columns[end], self.flow.nodes[end]["parent"])

    def _connectors(self) -> dict[int | None, dict[Any, None]]:
        """A value that goes on in another column leaves at a letter and enters at the same letter; by their box."""
        connectors: dict[int | None, dict[Any, None]] = defaultdict(dict)
        for start, end, carry in self.flow.edges(data="carry", default=False):
            if not carry and start not in self.many and self._parted(start, end):
                self.letters.setdefault(start, _letter(len(self.letters)))
                for node, connector in ((start, ("exit", start)), (end, self._entry(start, end))):
                    connectors[self.flow.nodes[node]["parent"]][connector] = None
        return connectors

    def _fill(self) -> None:
        """Every box with what is in it, from the outside in; without recursion, boxes may nest deeply."""
        for scope, keys in self._connectors().items():
            self.inside[scope] += keys
        opened: list[tuple[Any, Iterator[Any], Any]] = [(self.picture.graph, iter(self.inside[None]), None)]
        self._add_forgotten(self.picture.graph, None)
        while opened:
            box, items, manager = opened[-1]
            item = next(items, None)
            if item is None:
                opened.pop()
                if manager is not None:
                    manager.__exit__(None, None, None)
            elif isinstance(item, int):
                manager = box.subgraph(name=f"cluster_{item}")
                inner = manager.__enter__()
                inner.attr(label=self.picture.text([self._title(item)]), **self._frame(self.trace.calls[item]))
                self._add_forgotten(inner, item)
                opened.append((inner, iter(self.inside[item]), manager))
            elif item[0] in ("exit", "entry"):
                self.ids[item] = self.picture.node(box, "connector", [self.letters[item[1]]])
                if item[0] == "exit":
                    self.picture.edge(self.ids[item[1]], self.ids[item])
            else:
                self._add(box, item)

    def _add(self, box: Any, node: Any) -> None:
        facts = self.flow.nodes[node]
        self.ids[node] = self.picture.node(box, self._look(facts, node), self._lines(facts, node))
        for feeder in self.flow.pred[node]:
            if feeder in self.many:
                stub = self.picture.node(box, "stub", [_short(self.flow.nodes[feeder])])
                self.picture.edge(stub, self.ids[node])

    def _add_forgotten(self, box: Any, scope: int | None) -> None:
        above = "" if scope is None else self.trace.calls[scope].path
        for path in self.forgotten.get(scope, ()):
            name = path.removeprefix(above).removeprefix(".")
            self.picture.node(box, "never", [f"{name}: {self.trace.tree[path].type}"])

    def _forgotten(self, never: set[str]) -> dict[int | None, list[str]]:
        """Never-called modules, topmost only, by the box of the module that holds them, where that is drawn."""
        drawn = sorted((scope for scope in self.inside if scope is not None), reverse=True)
        boxes = {self.trace.calls[scope].path: scope for scope in drawn}
        called = {call.path for call in self.trace.calls}
        found: dict[int | None, list[str]] = defaultdict(list)
        for path in self.trace.tree:
            holder = path.rpartition(".")[0]
            if path in never and holder not in never:
                while holder not in called and holder:
                    holder = holder.rpartition(".")[0]
                if holder in boxes:
                    found[boxes[holder]].append(path)
        return found

    def _look(self, facts: Mapping[str, Any], node: Any) -> str:
        match facts["kind"]:
            case "call" if facts["error"]:
                return "raised"
            case "call" if facts["path"] not in self.trace.tree:
                return "unregistered"
            case "call":
                return "reused" if facts["path"] in self.reused else "repeats" if facts.get("times", 1) > 1 else "call"
            case "op" if facts["escape"]:
                return "escape"
            case "op":
                return "join" if self._sign(facts, node) else "op"
            case "input" | "output":
                return "end"
            case "unknown":
                return "unknown"
            case _:
                return "standing"

    def _sign(self, facts: Mapping[str, Any], node: Any) -> str | None:
        """`+` for an addition that joins two paths."""
        joins = self.flow.in_degree(node) > 1 and len(facts["names"]) == 1
        return SIGNS.get(_plain(facts["name"])) if joins else None

    def _lines(self, facts: Mapping[str, Any], node: Any) -> list[str]:
        times, last = facts.get("times", 1), facts.get("last", "")
        match facts["kind"]:
            case "call":
                name = self._name(facts["path"], last, facts["parent"], times)
                again = f" (call {facts['nth'] + 1})" if facts["nth"] else ""
                return [f"{name}: {facts['type']}{again}", shapes_text((spec.shape for spec in facts["outputs"]), 2)]
            case "op":
                sign = self._sign(facts, node)
                names = [_plain(name) for name in facts["names"]]
                text = sign or " › ".join(names if len(names) < 5 else [*names[:2], "…", *names[-2:]])
                return [text + (f" ×{times}" if times > 1 else "")]
            case _:
                return [facts["label"], "" if facts["spec"] is None else str(list(facts["spec"].shape))]

    def _title(self, scope: int) -> str:
        call = self.trace.calls[scope]
        times, last = self.times.get(scope, (1, ""))
        again = f" (call {call.nth + 1})" if call.nth else ""
        return f"{self._name(call.path, last, call.parent, times)}: {call.type}{again}"

    def _name(self, path: str, last: str, parent: int | None, times: int) -> str:
        """The path as seen from the module around it; for repeats, the first and the last of them."""
        above = "" if parent is None else self.trace.calls[parent].path
        first, last = (each.removeprefix(above).removeprefix(".") for each in (path, last))
        if times == 1:
            return first or "model"
        return f"{first} … {last} ×{times}" if first != last else f"{first} ×{times}"

    def _frame(self, call: Call) -> dict[str, str]:
        frame = {"style": "rounded,filled", "color": "#94a3b8", "labeljust": "l", "margin": "8", "penwidth": "1"}
        frame["fillcolor"] = "#f8fafc" if call.depth % 2 else "#f1f5f9"
        if call.path not in self.trace.tree:
            return frame | self.picture.outline("unregistered")
        if self.times.get(call.index, (1, ""))[0] > 1:
            return frame | self.picture.outline("repeats")
        return frame | self.picture.outline("reused") if call.path in self.reused else frame


def _letter(number: int) -> str:
    """A, B, … Z, AA, AB, …"""
    more, last = divmod(number, 26)
    return (_letter(more - 1) if more else "") + chr(ord("A") + last)


def _plain(name: str) -> str:
    """`__getitem__` as `getitem`."""
    return name.strip("_") or name


def _short(facts: Mapping[str, Any]) -> str:
    if facts["kind"] == "op":
        return _plain(facts["name"])
    return str(facts["label"])
