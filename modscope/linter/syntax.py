"""A stretch of source as LibCST sees it, with the questions that every rule asks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from modscope.linter import cst
from modscope.linter.facts import Scope, Targets
from modscope.linter.index import FileIndex
from modscope.linter.parts import children

Node = TypeVar("Node", bound="cst.CSTNode")


class Syntax:
    """A parsed stretch of a file: nodes by type, parents, and what names mean.

    Variables only are walked: the `attr` of an Attribute, the keyword of an Arg and the name in a `def` are read
    from their owners.
    """

    def __init__(self, node: cst.CSTNode, scope: Scope, index: FileIndex) -> None:
        self.node = node
        self.scope = scope
        self.index = index

    # ---- structure

    @cached_property
    def _order(self) -> list[cst.CSTNode]:
        """All nodes in source order, each before its parts."""
        return self._walked[0]

    @cached_property
    def _above(self) -> list[int]:
        """For each place that of the node around it; -1 for the outermost."""
        return self._walked[1]

    @cached_property
    def _walked(self) -> tuple[list[cst.CSTNode], list[int]]:
        order: list[cst.CSTNode] = []
        above: list[int] = []
        stack: list[tuple[cst.CSTNode, int]] = [(self.node, -1)]
        while stack:
            node, around = stack.pop()
            place = len(order)
            order.append(node)
            above.append(around)
            inner = children(node)
            inner.reverse()
            stack += [(child, place) for child in inner]
        return order, above

    @cached_property
    def _places(self) -> Mapping[int, int]:
        """The id of a node -> its place in the order; hashing the node itself is slower."""
        return {id(node): place for place, node in enumerate(self._order)}

    @cached_property
    def _by_type(self) -> Mapping[type, tuple[list[cst.CSTNode], list[int]]]:
        """The nodes of a type, and their places."""
        by_type: dict[type, tuple[list[cst.CSTNode], list[int]]] = {}
        for place, node in enumerate(self._order):
            nodes, places = by_type.setdefault(type(node), ([], []))
            nodes.append(node)
            places.append(place)
        return by_type

    @cached_property
    def _ends(self) -> list[int]:
        """For each place the one after the node's last part."""
        ends = list(range(1, len(self._order) + 1))
        for place in range(len(ends) - 1, 0, -1):
            around = self._above[place]
            ends[around] = max(ends[around], ends[place])
        return ends

    def place(self, node: cst.CSTNode) -> int:
        """Where the node comes in the order of the source; -1 for one that stands elsewhere."""
        return self._places.get(id(node), -1)

    def nodes(self, kind: type[Node], within: cst.CSTNode | None = None) -> Sequence[Node]:
        """All nodes of exactly this type, in source order; of one part of the class when `within` is given."""
        every, places = self._by_type.get(kind, ([], []))
        found: list[Any] = every
        if within is None or not found:
            return found
        first = self._places[id(within)]
        return found[bisect_left(places, first) : bisect_left(places, self._ends[first])]

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node around this one; None for the outermost."""
        around = self._above[self.place(node)] if id(node) in self._places else -1
        return None if around < 0 else self._order[around]

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes around this one, the nearest first."""
        place = self.place(node)
        while place > 0:
            place = self._above[place]
            yield self._order[place]

    def within(self, node: cst.CSTNode, outer: cst.CSTNode) -> bool:
        """Whether `node` is `outer` or a part of it."""
        first = self._places[id(outer)]
        return first <= self._places[id(node)] < self._ends[first]

    def is_before(self, node: cst.CSTNode, other: cst.CSTNode) -> bool:
        """Whether `node` starts first."""
        return self._places[id(node)] < self._places[id(other)]

    def between(self, node: cst.CSTNode, first: cst.CSTNode, last: cst.CSTNode) -> bool:
        """Whether `node` is a part of `first`, of `last`, or of what stands between the two."""
        places = self._places
        return places[id(first)] <= places[id(node)] < self._ends[places[id(last)]]

    def function_of(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        """The innermost `def` that the node stands in."""
        return next((above for above in self.ancestors(node) if isinstance(above, cst.FunctionDef)), None)

    def statement_of(self, node: cst.CSTNode) -> cst.CSTNode:
        """The innermost whole statement (a line, an `if`, a `for`) that the node stands in."""
        for above in (node, *self.ancestors(node)):
            if isinstance(above, cst.SimpleStatementLine | cst.BaseCompoundStatement):
                return above
        return self.node

    def code(self, node: cst.CSTNode) -> str:
        """The node's source text."""
        return cst.Module([]).code_for_node(node)

    # ---- names

    def name_of(self, node: cst.CSTNode | None) -> str | None:
        """The full dotted name that an expression imports to: "torch.nn.Linear", "builtins.list", "pkg.net.Net".

        None for anything else: a local variable, a call, a name with two possible meanings.
        """
        parts: list[str] = []
        while isinstance(node, cst.Attribute):
            parts.append(node.attr.value)
            node = node.value
        if not isinstance(node, cst.Name):
            return None
        targets = self._local(node)
        name = ".".join(reversed(parts))
        if targets is not None:
            return self.index.name(targets, name)
        in_method = any(isinstance(above, cst.FunctionDef | cst.Lambda) for above in self.ancestors(node))
        return self.index.resolve(f"{node.value}.{name}" if name else node.value, self.scope, from_method=in_method)

    def spell(self, name: str) -> str | None:
        """How this file writes a full name: "torch.nn.ModuleList" as "nn.ModuleList"; None where nothing imports it."""
        return self.index.spell(name, self.scope)

    def spelling(self, name: str) -> tuple[str, tuple[str, ...]] | None:
        """Like `spell`, else with the import lines to add (for `Match.imports`); None where the name is taken."""
        if (known := self.spell(name)) is not None:
            return known, ()
        module, _, last = name.rpartition(".")
        if module == "torch.nn" and self.scope.find("nn") is None:
            return f"nn.{last}", ("from torch import nn",)
        return None if self.scope.find(last) else (last, (f"from {module} import {last}",))

    def _local(self, node: cst.Name) -> Targets | None:
        """What a scope inside this stretch binds the name to; None when none does."""
        from_method = False
        for above in self.ancestors(node):
            hidden = from_method and isinstance(above, cst.ClassDef)
            if not hidden and (bound := self._bindings.get(above)) is not None and node.value in bound:
                return bound[node.value]
            if isinstance(above, cst.FunctionDef | cst.Lambda):
                # decorators and defaults belong to the scope around it; treating them as inside only hides names
                from_method = True
        return None

    @cached_property
    def _bindings(self) -> Mapping[cst.CSTNode, Mapping[str, Targets]]:
        """Scope (function, lambda, comprehension, class) -> the names bound in it."""
        bound: dict[cst.CSTNode, dict[str, Targets]] = {}

        def add(node: cst.CSTNode, name: str, target: str | None = None) -> None:
            for above in self.ancestors(node):
                if isinstance(above, _scopes()):
                    names = bound.setdefault(above, {})
                    if target not in names.get(name, ()):
                        names[name] = (*names.get(name, ()), target)
                    return

        definitions: list[cst.FunctionDef | cst.ClassDef] = [*self.nodes(cst.FunctionDef), *self.nodes(cst.ClassDef)]
        for definition in definitions:
            if definition is not self.node:
                add(definition, definition.name.value)
        for target in self._targets():
            for name in _variables(target):
                add(target, name)
        for statement in self.nodes(cst.Import):
            for alias in statement.names:
                whole = _dotted(alias.name)
                add(
                    statement,
                    _alias(alias) or whole.partition(".")[0],
                    whole if alias.asname else whole.partition(".")[0],
                )
        for source in self.nodes(cst.ImportFrom):
            if not isinstance(source.names, cst.ImportStar):
                module = self.index.facts.absolute(
                    _dotted(source.module) if source.module else "", len(source.relative)
                )
                for alias in source.names:
                    add(source, _alias(alias) or _dotted(alias.name), f"{module}.{_dotted(alias.name)}")
        for item in self.nodes(cst.NameItem):  # of `global` and `nonlocal`
            add(item, item.name.value)
        return bound

    def _targets(self) -> Iterator[cst.CSTNode]:
        for parameter in self.nodes(cst.Param):
            yield parameter.name
        for assigned in self.nodes(cst.AnnAssign):
            if assigned.value is not None:
                yield assigned.target
        for kind in (cst.AssignTarget, cst.AugAssign, cst.For, cst.CompFor, cst.NamedExpr):
            nodes: Sequence[Any] = self.nodes(kind)
            for node in nodes:
                yield node.target
        for alias in self.nodes(cst.AsName):
            if not isinstance(self.parent(alias), cst.ImportAlias):
                yield alias.name


def _scopes() -> tuple[type, ...]:
    return (cst.FunctionDef, cst.Lambda, cst.ClassDef, cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)


def _variables(target: cst.CSTNode) -> Iterator[str]:
    stack = [target]
    while stack:
        match stack.pop():
            case cst.Name(value=name):
                yield name
            case cst.Tuple(elements=elements) | cst.List(elements=elements):
                stack.extend(element.value for element in elements)


def _dotted(node: cst.CSTNode) -> str:
    parts = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    return ".".join(reversed([*parts, node.value])) if isinstance(node, cst.Name) else ""


def _alias(alias: cst.ImportAlias) -> str | None:
    return alias.asname.name.value if alias.asname and isinstance(alias.asname.name, cst.Name) else None
