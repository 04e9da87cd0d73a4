"""A Module class as rules see it."""

from __future__ import annotations

from bisect import bisect_right
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from modscope.linter import cst
from modscope.linter.facts import ClassFacts
from modscope.linter.heritage import methods
from modscope.linter.index import FileIndex, Project
from modscope.linter.known import MODULE_KINDS, Kind
from modscope.linter.syntax import Syntax

Result = TypeVar("Result")

# Methods of a Module that return it, and functions that return a Module like the one they are given.
_CHAINED = frozenset(
    [
        *("to", "cpu", "cuda", "half", "float", "double", "bfloat16", "type", "to_empty", "train", "eval", "apply"),
        *("requires_grad_", "share_memory"),
    ]
)
_WRAPPERS = (
    *("copy.deepcopy", "copy.copy", "torch.compile", "torch.jit.script"),
    *("torch.nn.utils.weight_norm", "torch.nn.utils.spectral_norm", "torch.nn.utils.parametrizations."),
)
_REGISTERING = frozenset({"register_module", "add_module", "register_parameter", "register_buffer"})


class ModuleClass(Syntax):
    """A class that inherits from torch.nn.Module, with the methods and attributes written in it."""

    node: cst.ClassDef

    def __init__(self, node: cst.CSTNode, facts: ClassFacts, index: FileIndex, file_text: str) -> None:
        assert isinstance(node, cst.ClassDef)
        super().__init__(node, facts.scope, index)
        self.facts = facts
        self.file_text = file_text  # of the whole file
        self._analyses: dict[Callable[[ModuleClass], Any], Any] = {}

    def once(self, analysis: Callable[[ModuleClass], Result]) -> Result:
        """What an analysis says of this class, computed for the first rule that asks."""
        if analysis not in self._analyses:
            self._analyses[analysis] = analysis(self)
        result: Result = self._analyses[analysis]
        return result

    @property
    def name(self) -> str:
        """The class's name, after those of the classes and functions around it: "Outer.Net"."""
        return self.facts.name

    @cached_property
    def bases(self) -> tuple[str | None, ...]:
        """The full names of the bases: "torch.nn.Module"; None for one that cannot be told."""
        return tuple(base and self.index.resolve(base, self.scope) for base in self.facts.bases)

    # ---- methods

    @cached_property
    def methods(self) -> Mapping[str, cst.FunctionDef]:
        """The functions of the class body by name; of several with one name, the last."""
        return {
            function.name.value: function
            for function in self.nodes(cst.FunctionDef)
            if next(a for a in self.ancestors(function) if isinstance(a, cst.ClassDef | cst.FunctionDef)) is self.node
        }

    def has_method(self, *names: str) -> bool:
        """Whether the class or a base of the project defines a method of one of these names."""
        inherited = self.index.inherited(methods, self.facts)
        return any(name in self.facts.methods or name in inherited for name in names)

    def method_of(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        """The method of this class that the node stands in, also inside a nested function."""
        place = self.place(node)
        nearest = bisect_right(self._method_places, place) - 1
        method = self._method_order[nearest] if nearest >= 0 else None
        return method if method is not None and self.within(node, method) else None

    @cached_property
    def _method_order(self) -> list[cst.FunctionDef]:
        return sorted(self.methods.values(), key=self.place)

    @cached_property
    def _method_places(self) -> list[int]:
        return [self.place(method) for method in self._method_order]

    def self_name(self, method: cst.FunctionDef) -> str | None:
        """What the method calls its instance; None for static and class methods."""
        for decorator in method.decorators:
            if isinstance(decorator.decorator, cst.Name) and decorator.decorator.value in (
                "staticmethod",
                "classmethod",
            ):
                return None
        first = [*method.params.posonly_params, *method.params.params][:1]
        return first[0].name.value if first else None

    def attribute(self, node: cst.CSTNode | None) -> str | None:
        """`x` for an expression `self.x` in a method of this class, whatever the method calls `self`; else None."""
        if not (isinstance(node, cst.Attribute) and self.is_self(node.value)):
            return None
        return node.attr.value

    def uses(self, attribute: str) -> Sequence[cst.Attribute]:
        """Every `self.<attribute>` of the class, read or set."""
        return self._uses.get(attribute, ())

    @cached_property
    def _uses(self) -> Mapping[str, list[cst.Attribute]]:
        found: dict[str, list[cst.Attribute]] = {}
        for node in self.nodes(cst.Attribute):
            if (name := self.attribute(node)) is not None:
                found.setdefault(name, []).append(node)
        return found

    def is_self(self, node: cst.CSTNode | None) -> bool:
        """Whether the expression is the instance itself: the first parameter of the method around it."""
        if not isinstance(node, cst.Name):
            return False
        method = self.method_of(node)
        return method is not None and node.value == self._self_names.get(method)

    @cached_property
    def _self_names(self) -> Mapping[cst.FunctionDef, str]:
        return {method: name for method in self.methods.values() if (name := self.self_name(method)) is not None}

    @cached_property
    def init(self) -> tuple[cst.FunctionDef, ...]:
        """`__init__` and the methods that it calls on `self`, directly or through one another."""
        return self.reached_from("__init__")

    def reached_from(self, *names: str) -> tuple[cst.FunctionDef, ...]:
        """These methods and those that they call on `self`, directly or through one another."""
        reached = [self.methods[name] for name in names if name in self.methods]
        seen = set(reached)
        for method in reached:
            for call in self.nodes(cst.Call, within=method):
                called = self.methods.get(self.attribute(call.func) or "")
                if called is not None and called not in seen:
                    seen.add(called)
                    reached.append(called)
        return tuple(reached)

    # ---- what expressions make

    def kind_of(self, node: cst.CSTNode | None) -> Kind | None:
        """What a call makes: a Module with weights, a stateless one, a container, a parameter; None: unknown."""
        while isinstance(node, cst.Call):
            name = self.name_of(node.func)
            if name is not None and not name.startswith(_WRAPPERS):
                return self.index.kind(name)
            match node:
                case cst.Call(args=[cst.Arg(value=inner, star=""), *_]) if name is not None:
                    node = inner
                case cst.Call(func=cst.Attribute(value=cst.Call() as inner, attr=cst.Name(verb))) if verb in _CHAINED:
                    kind = self.kind_of(inner)
                    return kind if kind in MODULE_KINDS else None  # of a parameter it may make a plain tensor
                case _:
                    return None
        return None

    def makes_module(self, node: cst.CSTNode | None) -> bool:
        """Whether the expression certainly constructs a Module."""
        return self.kind_of(node) in MODULE_KINDS

    @cached_property
    def registered(self) -> Mapping[str, Kind | None]:
        """Attributes that hold a submodule, parameter or buffer, and what kind; those of project bases included."""
        found: dict[str, Kind | None] = {}
        for target, value in self.assignments():
            name = self.attribute(target)
            kind = self.kind_of(value)
            if name is not None and (kind in MODULE_KINDS or kind is Kind.PARAMETER):
                found[name] = kind
        for call in self.nodes(cst.Call):
            match call:
                case cst.Call(
                    func=cst.Attribute(value=owner, attr=cst.Name(name)),
                    args=[cst.Arg(value=cst.SimpleString() as text), *_],
                ) if name in _REGISTERING and self.is_self(owner):
                    found[str(text.evaluated_value)] = None
        return ChainMap(found, *self.index.inherited(Project.registered, self.facts).maps)

    def assignments(self, within: cst.CSTNode | None = None) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression]]:
        """Every `target = value` of the class or a part of it, one pair per target; tuples are not taken apart."""
        for assign in self.nodes(cst.Assign, within):
            for target in assign.targets:
                yield target.target, assign.value
        for annotated in self.nodes(cst.AnnAssign, within):
            if annotated.value is not None:
                yield annotated.target, annotated.value
