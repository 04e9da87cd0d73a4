"""The README and the docs, executed. `python -m tests.pages` rewrites them with what their blocks really show.

Blocks of one page share a folder and a Python session, from top to bottom:
- ```python is run, and a ```text block right below it is what it printed. ```python file=net.py goes into that file
  too; any other block with `file=` is only written.
- ```console holds commands after `$` and what they print. modscope, pytest and python are run. What would install
  something or take minutes is held against its source instead: the targets of `make` against the Makefile, the extras
  of `pip install` against pyproject.toml.
- ```yaml and ```toml are parsed; hooks of modscope's must be in .pre-commit-hooks.yaml.
A picture that a command wrote is the one the page shows. Times of pytest and the folder's own path are left out.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.workplace import work_in

ROOT = Path(__file__).parents[1]
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")} - {*ROOT.glob("docs/rules/*.md")})
FENCE = re.compile(r"^```(?P<language>\w*)(?: file=(?P<file>\S+))?\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")
RUN = {
    "modscope": [sys.executable, "-m", "modscope"],
    "pytest": [sys.executable, "-m", "pytest"],
    "python": [sys.executable],
}


class Page:
    """One page while it is executed in the working directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.session: dict[str, Any] = {"__name__": path.stem}
        self.printed: str | None = None  # by the block that ended where the next one begins
        self.ended = 0

    def executed(self) -> str:
        """The page as it would read if every output in it were real."""
        sys.path.insert(0, "")  # as in a Python session
        return FENCE.sub(self._block, self.text)

    def _block(self, block: re.Match[str]) -> str:
        adjacent = not self.text[self.ended : block.start()].strip()
        printed, self.printed, self.ended = self.printed if adjacent else None, None, block.end()
        text = block["text"]
        if block["file"]:
            Path(block["file"]).parent.mkdir(parents=True, exist_ok=True)
            Path(block["file"]).write_text(text, encoding="utf-8")
        match block["language"]:
            case "python" if not (block["file"] or "").startswith("test_"):
                self.printed = self._run(text)
            case "text" if printed is not None:
                return with_text(block, printed)
            case "console":
                return with_text(block, "".join(f"$ {each}\n{output(each)}" for each in commands(text)))
            case "yaml":
                check_hooks(yaml.safe_load(text))
            case "toml":
                tomllib.loads(text)
        return block[0]

    def _run(self, text: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(text, f"<{self.path.name}>", "exec"), self.session)
        return out.getvalue()

    def pictures(self) -> Iterator[tuple[Path, Path]]:
        """Pictures of the page that were written while it was executed: where it shows them, and where they are."""
        for link in PICTURE.findall(self.text):
            made = Path(Path(link).name)
            if made.exists():
                yield self.path.parent / link, made


def with_text(block: re.Match[str], text: str) -> str:
    """The same block with another text in it."""
    start, end = block.span("text")
    return block.string[block.start() : start] + text + block.string[end : block.end()]


def commands(text: str) -> Iterator[str]:
    """The commands of a console block."""
    return (line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ "))


def output(command: str) -> str:
    """What a command prints; nothing for those that are not run. AssertionError for one that cannot be there."""
    program, *arguments = shlex.split(command, comments=True)
    match program, arguments:
        case "make", targets:
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets), command
            return ""
        case "pip", ["install", *wanted]:
            assert {*re.findall(r"\w+", "".join(re.findall(r"\[(.+)\]", " ".join(wanted))))} <= extras(), command
            return ""
    assert program in RUN, f"{command!r} is neither run nor checked"
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    done = subprocess.run(
        [*RUN[program], *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    return re.sub(r" in \d+\.\d+s\b", " in 0.10s", done.stdout).replace(f"{Path.cwd()}{os.sep}", "")


def extras() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {*project["optional-dependencies"]}


def check_hooks(configuration: dict[str, Any]) -> None:
    known = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
    for repository in configuration.get("repos", ()):
        if "modscope" in repository["repo"]:
            assert {hook["id"] for hook in repository["hooks"]} <= known


def rewrite() -> None:
    for path in PAGES:
        with tempfile.TemporaryDirectory() as folder, work_in(Path(folder)):
            page = Page(path)
            path.write_text(page.executed(), encoding="utf-8")
            for shown, made in page.pictures():
                shown.write_bytes(made.read_bytes())


if __name__ == "__main__":
    rewrite()
