"""What a rule is, and what it yields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Union

from modscope.findings import Severity

if TYPE_CHECKING:
    from modscope.linter import cst
    from modscope.linter.candidate import Candidate

Trigger = Callable[["Candidate"], bool]


Written = Union["cst.CSTNode", str, "tuple[cst.CSTNode | str, ...]"]
"""New code: a node of LibCST, text, or several of both in a row."""


@dataclass(frozen=True, slots=True)
class Replace:
    """Put `by` where `node` stands; old code in it goes in as nodes, so that its lines stay as they are."""

    node: cst.CSTNode
    by: Written


@dataclass(frozen=True, slots=True)
class Insert:
    """Add whole lines before or after a statement, indented like it. `text` starts at column 0."""

    statement: cst.CSTNode
    text: str
    where: Literal["before", "after"] = "before"


@dataclass(frozen=True, slots=True)
class Remove:
    """Take out a statement with its line; an emptied block keeps a `pass`."""

    statement: cst.CSTNode


Place = Literal["class", "statement", "file"]
_LOOKS_AT: dict[str | None, Place] = {"ModuleClass": "class", "Statement": "statement", None: "file"}
Change = Replace | Insert | Remove


@dataclass(frozen=True, slots=True)
class Match:
    """One place where a rule's mistake stands, and what would mend it.

    `replacement` is short for `changes=(Replace(node, replacement),)`. A rule that could fix but must not here
    gives the reason as `no_fix`. `imports` are lines ("from torch import nn") that the fix needs at the file's top.
    """

    node: cst.CSTNode
    message: str
    replacement: Written | None = None
    changes: tuple[Change, ...] = ()
    no_fix: str | None = None
    remedy: str | None = None  # what the fix does, in words; made from the rule's page where it is not given
    imports: tuple[str, ...] = ()
    severity: Severity | None = None  # of this match, where it differs from the rule's
    safe: bool | None = None  # this fix, where it differs from the rule's

    @property
    def all_changes(self) -> tuple[Change, ...]:
        """What the fix does to the text; empty where there is none."""
        own = () if self.replacement is None else (Replace(self.node, self.replacement),)
        return (*own, *self.changes)


@dataclass(frozen=True)
class Rule:
    """A mistake that can be read in source: `check` yields its matches, its docstring is its page."""

    name: str
    check: Callable[..., Iterator[Match]] = field(repr=False)
    page: str = field(repr=False)
    looks_at: Place
    fix: Literal["safe", "unsafe"] | None
    default: bool
    severity: Severity
    words: tuple[str, ...]
    trigger: str | Trigger | None = field(repr=False)  # a regular expression, or a function

    def __call__(self, place: Any) -> Iterator[Match]:
        return self.check(place)

    @property
    def harm(self) -> str:
        """The first line of the page: what the mistake does, in one sentence."""
        return self.page.partition("\n")[0]


def rule(
    *,
    fix: Literal["safe", "unsafe"] | None = None,
    default: bool = True,
    severity: Severity = Severity.ERROR,
    words: tuple[str, ...] = (),
    trigger: str | Trigger | None = None,
) -> Callable[[Callable[..., Iterator[Match]]], Rule]:
    r"""Make a rule of a function; its name is the function's, its page the docstring.

    The function's parameter is annotated with what it looks at: `ModuleClass` (each class that is an nn.Module) or
    `Statement` (any statement that holds the trigger). What the engine itself reports of a file has no parameter:
    there the function is only the page.

    `trigger` is what a class must have to be parsed for this rule at all, and the rarer the faster: a regular
    expression that its text must hold, or a function of the `Candidate`. A rule for statements needs a regular
    expression: r"\.require_grad\b". Where none of `words` stands in the text the trigger is not even tried: looking
    for a word costs a hundredth of looking for a pattern, and a pattern that starts with letters a tenth of another.
    """

    def make(check: Callable[..., Iterator[Match]]) -> Rule:
        annotation = next((value for name, value in check.__annotations__.items() if name != "return"), None)
        return Rule(
            name=check.__name__.replace("_", "-"),
            check=check,
            page=inspect.cleandoc(check.__doc__ or ""),
            looks_at=_LOOKS_AT[annotation],
            fix=fix,
            default=default,
            severity=severity,
            words=words,
            trigger=trigger,
        )

    return make
