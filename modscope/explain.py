"""A rule's docstring -> its page, for the terminal and for docs/rules/ (`python -m modscope.explain docs/rules`)."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modscope.config import nearest
from modscope.errors import ModscopeError
from modscope.findings import Severity


@dataclass(frozen=True, slots=True)
class Page:
    """What there is to know of a rule."""

    name: str
    text: str  # the docstring
    fix: str | None  # "safe", "unsafe"
    default: bool
    severity: Severity

    @property
    def harm(self) -> str:
        """What the mistake does, in one sentence."""
        return self.text.partition("\n")[0]

    @property
    def status(self) -> str:
        """Default, severity and fix, in one line."""
        return f"{'On' if self.default else 'Off'} by default · {self.severity} · {_fix(self)}"

    def terminal(self) -> str:
        """The page as plain text."""
        return f"{self.name}\n{self.status}\n\n{self.text}"

    def markdown(self) -> str:
        """The page as Markdown: the parts that a line like `Bad:` opens become headings, code is fenced."""
        return "\n".join((f"# {self.name}", "", f"*{self.status}*", "", *_markdown(self.text), ""))


def page(name: str) -> Page:
    """The page of a rule; ModscopeError names the nearest one when there is none."""
    pages = known()
    if name not in pages:
        raise ModscopeError(f"no rule {name!r}{nearest(name, pages)}. `modscope explain` lists all rules.")
    return pages[name]


def known() -> dict[str, Page]:
    """The pages of all rules, by name."""
    from modscope.linter import rules

    pages = {}
    for name in rules.names():
        rule = rules.load(name)
        pages[name] = Page(name, rule.page, rule.fix, rule.default, rule.severity)
    return pages


def listing() -> str:
    """All rules with what they catch, in a table of text."""
    pages = known().values()
    rows = [(each.name, "on" if each.default else "off", each.fix or "-", each.harm) for each in pages]
    rows.insert(0, ("rule", "default", "fix", "what the mistake does"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def files() -> dict[str, str]:
    """What docs/rules/ holds: a page for each rule, and the index."""
    pages = known()
    rows = []
    for each in pages.values():
        harm = each.harm.replace("|", r"\|")
        rows.append(
            f"| [{each.name}]({each.name}.md) | {harm} | {'on' if each.default else 'off'} | {each.fix or '-'} |"
        )
    head = ["# Rules", "", "| rule | what the mistake does | default | fix |", "|---|---|---|---|"]
    return {"README.md": "\n".join([*head, *rows, ""])} | {
        f"{name}.md": each.markdown() for name, each in pages.items()
    }


def write(folder: Path) -> None:
    """Make a folder hold `files()` and no other page."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = files()
    for stale in folder.glob("*.md"):
        if stale.name not in wanted:
            stale.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _fix(page: Page) -> str:
    flags = {"safe": "safe fix (`--fix`)", "unsafe": "unsafe fix (`--fix --unsafe-fixes`)"}
    return flags.get(page.fix or "", "no fix")


def _markdown(text: str) -> Iterator[str]:
    """`Bad:` above an indented block is a heading above code; other text is Markdown already."""
    for part in re.split(r"\n\n(?=\S)", text.strip()):
        title, _, body = part.partition("\n")
        if body.startswith("    ") and title.endswith(":"):
            yield from (f"## {title[:-1]}", "", "```python", textwrap.dedent(body).rstrip(), "```", "")
        elif opening := re.match(r"[A-Z]\w+(?: \w+)?:(?= )", part):
            yield from (f"**{opening[0]}**{part[opening.end() :]}", "")
        else:
            yield from (part, "")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
