"""Repeats of a dataflow drawn once: blocks of one structure that run after one another become one, "×12"."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING

from modscope.data import Trace
from modscope.graph.flow import Node
from modscope.graph.registered import new_digraph

if TYPE_CHECKING:
    import networkx

Item = Node | int  # a node, or the index of a call whose inside is shown

# The longest sequence of items that is looked for as one repeat.
LONGEST_PERIOD = 48
# A fold must spare at least so many nodes.
LEAST_SPARED = 4


def contents(flow: networkx.DiGraph, trace: Trace) -> dict[int | None, list[Item]]:
    """What ran directly in each shown call (None: outside all), nodes and shown calls, in the order of time."""
    inside: dict[int | None, list[Item]] = defaultdict(list)
    seen: set[int] = set()
    for node, parent in flow.nodes(data="parent"):
        inside[parent].append(node)
        while parent is not None and parent not in seen:
            seen.add(parent)
            above = trace.calls[parent].parent
            inside[above].append(parent)
            parent = above
    return _in_time(inside, flow)


def _in_time(inside: dict[int | None, list[Item]], flow: networkx.DiGraph) -> dict[int | None, list[Item]]:
    """A shown call stands where its first node stands."""
    place: dict[Item, int] = {node: number for number, node in enumerate(flow)}
    for scope in sorted((scope for scope in inside if scope is not None), reverse=True):
        place[scope] = min(place[item] for item in inside[scope])
    for items in inside.values():
        items.sort(key=place.__getitem__)
    return inside


def fold(flow: networkx.DiGraph, trace: Trace) -> networkx.DiGraph:
    """The same dataflow with every run of repeats replaced by its first member.

    Kept nodes and, in `graph["times"]`, kept calls say how often they stand for: node attribute `times` and
    `graph.graph["times"]`, a mapping of call index -> (how often, path of the last one). An edge with `carry`
    leads from one repeat to the next, and so back to the beginning of the block that is shown.

    Repeats follow one another in time without anything between them, so that no path leaves a fold and comes back.
    Linear in nodes and edges.
    """
    folder = _Folder(flow, trace)
    folder.fold_in(None)
    return folder.graph()


class _Folder:
    def __init__(self, flow: networkx.DiGraph, trace: Trace) -> None:
        self.flow = flow
        self.trace = trace
        self.inside = contents(flow, trace)
        self.signatures: dict[Hashable, int] = {}
        self.signature: dict[Item, int] = {}
        self.size: dict[Item, int] = {}
        for scope in sorted((scope for scope in self.inside if scope is not None), reverse=True):
            self._sign(scope)
        for item in self.inside[None]:
            self._sign(item)
        self.first: dict[Node, Node] = {}  # folded node -> the one that stands for it
        self.carries: set[tuple[Node, Node]] = set()  # edges from one repeat to a later one
        self.times: dict[Item, tuple[int, str]] = {}

    def _sign(self, item: Item) -> int:
        """A number that items of one structure share: what ran, on which shapes, under which names."""
        if item not in self.signature:
            if isinstance(item, int):
                call = self.trace.calls[item]
                members = tuple(self._sign(member) for member in self.inside[item])
                facts: Hashable = (call.type, self._name(call.path, call.parent), members)
                self.size[item] = sum(self.size[member] for member in self.inside[item])
            else:
                node = self.flow.nodes[item]
                name = self._name(node["label"], node["parent"]) if node["kind"] == "call" else node["label"]
                shapes = tuple(spec.shape for spec in (*node.get("inputs", ()), *node.get("outputs", ())))
                facts = (node["kind"], node.get("type"), name, shapes)
                self.size[item] = 1
            self.signature[item] = self.signatures.setdefault(facts, len(self.signatures))
        return self.signature[item]

    def _name(self, path: str, parent: int | None) -> str:
        """The path as seen from the call around it, its numbers left open."""
        above = "" if parent is None else self.trace.calls[parent].path
        parts = path.removeprefix(above).removeprefix(".").split(".")
        return ".".join("#" if part.isdecimal() else part for part in parts)

    def fold_in(self, scope: int | None) -> None:
        """Fold the runs among the items of this call, then those inside the items that are left."""
        stack = [scope]
        while stack:
            scope = stack.pop()
            items = self.inside[scope]
            kept: list[Item] = []
            place = 0
            for start, period, times in self._runs(items):
                kept += items[place : start + period]
                place = start + period * self._merge(items[start : start + period * times], period)
            kept += items[place:]
            self.inside[scope] = kept
            stack += [item for item in kept if isinstance(item, int)]

    def _runs(self, items: list[Item]) -> Iterator[tuple[int, int, int]]:
        """(start, period, times) of repeats that do not overlap, in order, the longest at each place."""
        signs = [self.signature[item] for item in items]
        alike: list[list[int]] = []  # [period - 1][place]: how many items from there on equal those a period later
        for period in range(1, min(LONGEST_PERIOD, len(signs) // 2) + 1):
            count, counts = 0, [0] * len(signs)
            for place in range(len(signs) - period - 1, -1, -1):
                count = count + 1 if signs[place] == signs[place + period] else 0
                counts[place] = count
            alike.append(counts)
        place = 0
        while place < len(signs):
            best = (0, 0, 0)
            for period, counts in enumerate(alike, 1):
                times = counts[place] // period + 1
                spared = (times - 1) * sum(self.size[item] for item in items[place : place + period])
                if times > 1 and spared > max(best[0], LEAST_SPARED - 1):
                    best = (spared, period, times)
            if best[0]:
                yield place, best[1], best[2]
                place += best[1] * best[2]
            else:
                place += 1

    def _merge(self, items: list[Item], period: int) -> int:
        """Fold as many repeats of this run as are wired alike; how many that were."""
        repeats = [list(self._nodes(items[at : at + period])) for at in range(0, len(items), period)]
        where = {node: (number, at) for number, nodes in enumerate(repeats) for at, node in enumerate(nodes)}
        wirings = [self._wiring(nodes, number, where) for number, nodes in enumerate(repeats)]
        same = 1
        while same < len(repeats) and all(
            mine[0] == first[0] and (same < 2 or mine == second)
            for mine, first, second in zip(wirings[same], wirings[0], wirings[1], strict=True)
        ):
            same += 1
        if same == 1:
            return 1
        for number, nodes in enumerate(repeats[1:same], 1):
            self.first.update(zip(nodes, repeats[0], strict=True))
            for node in nodes:
                for feeder in self.flow.pred[node]:
                    if where.get(feeder, (number, 0))[0] != number:
                        self.carries.add((feeder, node))
        for at in range(period):
            last = items[(same - 1) * period + at]
            path = self.trace.calls[last].path if isinstance(last, int) else self.flow.nodes[last]["label"]
            self.times[items[at]] = (same, path)
        return same

    def _nodes(self, items: list[Item]) -> Iterator[Node]:
        stack = items[::-1]
        while stack:
            item = stack.pop()
            if isinstance(item, int):
                stack += reversed(self.inside[item])
            else:
                yield item

    def _wiring(
        self, nodes: list[Node], number: int, where: dict[Node, tuple[int, int]]
    ) -> list[tuple[set[Hashable], set[Hashable]]]:
        """For each node what feeds it: from within its repeat, and from earlier repeats or outside."""
        wiring: list[tuple[set[Hashable], set[Hashable]]] = []
        for node in nodes:
            within: set[Hashable] = set()
            without: set[Hashable] = set()
            for feeder in self.flow.pred[node]:
                repeat, at = where.get(feeder, (-1, -1))
                if repeat == number:
                    within.add(at)
                else:
                    without.add(feeder if repeat < 0 else (number - repeat, at))
            wiring.append((within, without))
        return wiring

    def _kept(self, node: Node) -> Node:
        while node in self.first:
            node = self.first[node]
        return node

    def graph(self) -> networkx.DiGraph:
        scopes = {item: times for item, times in self.times.items() if isinstance(item, int)}
        graph = new_digraph(**{**self.flow.graph, "times": scopes})
        for node, facts in self.flow.nodes(data=True):
            if node not in self.first:
                graph.add_node(
                    node, **facts, times=self.times.get(node, (1, ""))[0], last=self.times.get(node, (1, ""))[1]
                )
        for start, end, tensors in self.flow.edges(data="tensors"):
            carry = (start, end) in self.carries
            a, b = self._kept(start), self._kept(end)
            known = graph.get_edge_data(a, b)
            if known is None or (known["carry"] and not carry):
                graph.add_edge(a, b, tensors=tensors, carry=carry)
        return graph
