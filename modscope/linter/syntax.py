"""A stretch of source as LibCST sees it, with the questions that every rule asks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from operator import attrgetter
from typing import Any, TypeVar

from modscope.linter import cst
from modscope.linter.facts import Scope, Targets
from modscope.linter.index import FileIndex

Node = TypeVar("Node", bound="cst.CSTNode")

# Fields that hold layout, punctuation, or a name that is no variable.
_LAYOUT = """
    lpar rpar lbracket rbracket lbrace rbrace comma semicolon equal dot colon first_colon second_colon header footer
    leading_lines lines_after_decorators trailing_whitespace indent newline operator asynchronous star posonly_ind
    relative from_ cls attr keyword
"""
_SKIPPED = frozenset(_LAYOUT.split())
_children: dict[type, Callable[[Any], Any]] = {}


def children(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The node's parts in source order, layout and punctuation left out."""
    kind = type(node)
    get = _children.get(kind)
    if get is None:
        names = [f.name for f in fields(kind) if f.name not in _SKIPPED and not f.name.startswith("whitespace")]
        if kind in (cst.FunctionDef, cst.ClassDef):
            names.remove("name")
            names.insert(0, names.pop(names.index("decorators")))
            names.append(names.pop(names.index("body")))
        elif kind is cst.Parameters:
            names.insert(0, names.pop(names.index("posonly_params")))
        get = _children[kind] = attrgetter(*names) if len(names) > 1 else _single(names)
    found: list[cst.CSTNode] = []
    for value in get(node):
        if isinstance(value, cst.CSTNode):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(value)
    return found


def _single(names: list[str]) -> Callable[[Any], Any]:
    return (lambda node: (getattr(node, names[0]),)) if names else (lambda node: ())


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
    def _parents(self) -> Mapping[cst.CSTNode, cst.CSTNode]:
        parents: dict[cst.CSTNode, cst.CSTNode] = {}
        order: list[cst.CSTNode] = []
        stack = [self.node]
        while stack:
            node = stack.pop()
            order.append(node)
            inner = children(node)
            for child in inner:
                parents[child] = node
            inner.reverse()
            stack += inner
        self._order = order
        return parents

    @cached_property
    def _by_type(self) -> Mapping[type, list[cst.CSTNode]]:
        assert self._parents is not None
        by_type: dict[type, list[cst.CSTNode]] = {}
        for node in self._order:
            by_type.setdefault(type(node), []).append(node)
        return by_type

    @cached_property
    def _place(self) -> Mapping[cst.CSTNode, int]:
        assert self._parents is not None
        return {node: place for place, node in enumerate(self._order)}

    @cached_property
    def _size(self) -> Mapping[cst.CSTNode, int]:
        parents = self._parents
        size = dict.fromkeys(self._order, 1)
        for node in reversed(self._order):
            if node in parents:
                size[parents[node]] += size[node]
        return size

    def nodes(self, kind: type[Node], within: cst.CSTNode | None = None) -> Sequence[Node]:
        """All nodes of exactly this type, in source order; of one part of the class when `within` is given."""
        found: list[Any] = self._by_type.get(kind, [])
        if within is None or not found:
            return found
        first = self._place[within]
        end = first + self._size[within]
        place = self._place.__getitem__
        return found[bisect_left(found, first, key=place) : bisect_left(found, end, key=place)]

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node around this one; None for the outermost."""
        return self._parents.get(node)

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes around this one, the nearest first."""
        parents = self._parents
        while (above := parents.get(node)) is not None:
            yield above
            node = above

    def within(self, node: cst.CSTNode, outer: cst.CSTNode) -> bool:
        """Whether `node` is `outer` or a part of it."""
        first = self._place[outer]
        return first <= self._place[node] < first + self._size[outer]

    def is_before(self, node: cst.CSTNode, other: cst.CSTNode) -> bool:
        """Whether `node` starts first."""
        return self._place[node] < self._place[other]

    def between(self, node: cst.CSTNode, first: cst.CSTNode, last: cst.CSTNode) -> bool:
        """Whether `node` is a part of `first`, of `last`, or of what stands between the two."""
        return self._place[first] <= self._place[node] < self._place[last] + self._size[last]

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
