"""What a rule or a check reports. Standard library only; both pipes end here."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How bad: an error breaks training or the run, a warning is likely wrong, advice never sets the exit code."""

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in source text; lines and columns count from 1, the end is exclusive."""

    file: str
    line: int
    column: int = 1
    end_line: int | None = None
    end_column: int | None = None
    cell: int | None = None  # number of the notebook cell, from 1; lines then count inside it


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the bytes `start:end` of the file by `text`."""

    start: int
    end: int
    text: str
    where: Location | None = None  # the same place in lines and columns


@dataclass(frozen=True, slots=True)
class Fix:
    """How to mend a finding. Safe in ruff's sense: the program's meaning stays, or becomes what was plainly meant."""

    message: str
    edits: tuple[Edit, ...]
    safe: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake: seen in source (`location`), in a run (`path`), or both."""

    rule: str
    message: str
    severity: Severity = Severity.ERROR
    location: Location | None = None
    path: str | None = None  # module path; "" is the root
    fix: Fix | None = None
    no_fix: str | None = None  # why a rule that has a fix refused it here
    source: str | None = None  # the source line `location` points into, for reports that show it
    scope: str | None = None  # qualified name of the class or function around it, for SARIF and fingerprints


@dataclass(frozen=True, slots=True)
class Skip:
    """A file that was asked for and not examined, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What the fixes make of a file."""

    file: str
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one run, sorted by file and place."""

    findings: tuple[Finding, ...]
    files: int = 0  # how many were examined
    skipped: tuple[Skip, ...] = ()
    fixed: tuple[Finding, ...] = ()  # mended in this run
    rewrites: tuple[Rewrite, ...] = ()  # the files that `fixed` stood in; on disk unless only a diff was asked for
    cached: int = field(default=0, compare=False)

    @property
    def failed(self) -> bool:
        """Whether a finding sets the exit code: advice alone never does."""
        return any(finding.severity is not Severity.ADVICE for finding in self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __str__(self) -> str:
        from modscope.reports.concise import render

        return render(self)
