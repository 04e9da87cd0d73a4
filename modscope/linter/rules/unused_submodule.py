"""A layer is made in `__init__` and never used."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.abstract import is_abstract, may_be_missing
from modscope.linter.attributes import is_set, uses
from modscope.linter.candidate import Candidate
from modscope.linter.known import Kind
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule
from modscope.linter.weights import has_weights

_REFLECTION = frozenset(
    ["children", "get_submodule", "modules", "named_children", "named_modules", "_modules", "__dict__", "__getattr__"]
)


_BASES = ["torch.nn.Module"]
_WITH_WEIGHTS = (Kind.WEIGHTED, Kind.CONTAINER, Kind.PARAMETER)
_REFLECTING = frozenset({"builtins.getattr", "builtins.vars", "builtins.eval"})
_MOST_PLACES = 1000  # a name that stands in more places is taken to be used
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_WORDS = re.compile(r"\w+")
_WORD = re.compile(r"""\.(\w+)|["']([\w.]+)["']""")


def _names_one_once(candidate: Candidate) -> bool:
    """Whether the class sets an attribute that it does not name again."""
    facts, index = candidate.facts, candidate.index
    if "forward" not in facts.methods or [base and index.resolve(base, facts.scope) for base in facts.bases] != _BASES:
        return False
    count = Counter(node.attr for node in candidate.nodes(ast.Attribute))
    once = ((name, called) for name, called in facts.assigned if called and count[name] == 1)
    return any(_may_have_weights(called, candidate) and not _is_named_twice(name, candidate) for name, called in once)


def _may_have_weights(called: str, candidate: Candidate) -> bool:
    full = candidate.resolve(called)
    return candidate.imports or (full is not None and candidate.index.kind(full) in _WITH_WEIGHTS)


def _is_named_twice(name: str, candidate: Candidate) -> bool:
    return candidate.text.count(name) > 1 and len(re.findall(rf"\b{name}\b", candidate.text)) > 1


@rule(severity=Severity.WARNING, trigger=_names_one_once)
def unused_submodule(module: ModuleClass) -> Iterator[Match]:
    """A submodule that no line uses has weights that are saved and counted, but never trained.

    Their gradients stay None. DistributedDataParallel stops with "expected to have finished reduction".

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)
                self.norm = nn.LayerNorm(4)

            def forward(self, x):
                return self.fc(x)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)
                self.norm = nn.LayerNorm(4)

            def forward(self, x):
                return self.norm(self.fc(x))

    Run time: after `backward()` the gradients of `norm` are None.

    Not reported: names that other code of the file uses, or that a string holds, unless in a class that has such an
    attribute itself; names that the class mentions in a comment; classes that walk over their submodules or inherit
    from anything but `nn.Module`, or have abstract methods; a `forward` that may raise NotImplementedError; modules
    without weights.
    """
    forward = module.methods.get("forward")
    if (
        list(module.bases) != _BASES
        or forward is None
        or any(is_abstract(method) for method in module.methods.values())
        or may_be_missing(forward, module)
        or _walks_over_itself(module)
    ):
        return
    for method in module.init:
        for target, value in module.assignments(within=method):
            name = module.attribute(target)
            if name is not None and has_weights(module, value) and not _is_used(name, module):
                yield Match(target, f"`self.{name}` has weights and is never used: they get no gradients")


def _walks_over_itself(module: ModuleClass) -> bool:
    for method in module.reached_from("forward"):
        if any(each.attr.value in _REFLECTION for each in module.nodes(cst.Attribute, within=method)):
            return True
        if any(module.name_of(call.func) in _REFLECTING for call in module.nodes(cst.Call, within=method)):
            return True
    return False


def _is_used(name: str, module: ModuleClass) -> bool:
    """Whether the class does more than set the attribute, or other code of the file may mean it."""
    if module.once(_own_words)[name] > len(uses(module, name)) or not all(
        is_set(module, use) for use in uses(module, name)
    ):
        return True  # also in a comment: the author knows
    first, last = module.facts.lines
    lines = _lines_by_word(module.file_text).get(name, [])
    return len(lines) > _MOST_PLACES or any(
        not first <= line <= last and not _is_of_another_class(line, name, module) for line in lines
    )


def _own_words(module: ModuleClass) -> Counter[str]:
    first, last = module.facts.lines
    lines = _split(module.file_text)[first - 1 : last]
    return Counter(word for line in lines for word in _WORDS.findall(line))


def _is_of_another_class(line: int, name: str, module: ModuleClass) -> bool:
    """Whether the line stands in an unrelated class that has an attribute of this name itself."""
    for other in module.index.facts.classes.values():
        if other.lines[0] <= line <= other.lines[1] and any(name == assigned for assigned, _ in other.assigned):
            own, theirs = module.index.ancestors(module.facts), module.index.ancestors(other)
            related = any(facts is other for _, facts in own) or any(facts is module.facts for _, facts in theirs)
            return not related
    return False


@lru_cache(maxsize=1)
def _split(text: str) -> list[str]:
    return _LINE_ENDS.split(text)


@lru_cache(maxsize=1)
def _lines_by_word(text: str) -> Mapping[str, list[int]]:
    """Attributes, and words in strings, with the lines they stand in."""
    found: dict[str, list[int]] = {}
    for number, line in enumerate(_split(text), 1):
        for attribute, string in _WORD.findall(line):
            for word in [attribute] if attribute else string.split("."):
                found.setdefault(word, []).append(number)
    return found
