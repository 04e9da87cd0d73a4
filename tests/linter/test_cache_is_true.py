"""Whatever happens to a project, what the cache answers is what is found without it."""

import os
import random
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from modscope import linter
from modscope.config import finder

EDITS = 60
CLASSES = (
    "from torch import nn\n\n\nclass Base(nn.Module):\n    pass\n",
    "from torch import nn\n\n\nclass Base(nn.Modula):\n    pass\n",
    "from torch import nn\n\n\nclass Base(nn.Module):\n    layers = nn.ModuleList()\n",
    "class Base:\n    pass\n",
    "from .other import *\n",
    "from pkg.other import Base\n",
    "class Base(:\n",
    "",
)
HEIR = (
    "from {} import Base\nfrom torch import nn\n\n\nclass Net(Base):\n    def __init__(self):\n"
    "        super().__init__()\n        self.layers {}= [nn.Linear(1, 1)]\n        self.a.forward(1)\n"
)
IMPORTS = ("pkg.base", "base", "pkg", ".base", "pkg.other", "other", "..base", "src.base", "pkg.sub.base")
HEIRS = ("net.py", "pkg/net.py", "pkg/sub/net.py", "tools/net.py")
BASES = ("pkg/base.py", "pkg/other.py", "base.py", "other.py", "src/base.py", "pkg/sub/base.py", "src/pkg/base.py")
PACKAGES = ("pkg/__init__.py", "pkg/sub/__init__.py", "base/__init__.py", "pkg/base/__init__.py", "tools/__init__.py")
SETTINGS = (
    "",
    "[tool.modscope]\nselect = ['ALL']\n",
    "[tool.modscope]\nper-file-ignores = {'pkg/*.py' = ['unregistered-module-list']}\n",
    "[tool.modscope]\nextend-exclude = ['/pkg/sub']\n",
    "[tool.modscope]\nknown-module-bases = ['pkg.base.Base', 'other.Base']\n",
)
GITIGNORES = ("", "pkg/\n", "/net.py\n", "*.py\n!net.py\n")
OPTIONS: tuple[dict[str, tuple[str, ...]], ...] = ({}, {"select": ("ALL",)}, {"per_file_ignores": ("pkg/*.py:ALL",)})


class Project:
    """A folder of sources, and what may happen to it by chance."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        folder.mkdir()
        (folder / ".git").mkdir()
        for name in (*HEIRS, "pkg/base.py", "base.py", "pkg/__init__.py"):
            self.write(name, self.text(name))

    def text(self, name: str) -> str:
        pick = self.chance.choice
        return HEIR.format(pick(IMPORTS), pick(["", "+"])) if name in HEIRS else pick(CLASSES)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def files(self) -> list[Path]:
        return sorted(self.folder.rglob("*.py"))

    def edit(self) -> None:
        name = self.chance.choice(HEIRS + BASES + PACKAGES)
        self.write(name, self.text(name))

    def replace(self) -> None:
        """As git does: another file under the same name."""
        new = self.folder / "new"
        new.write_text(self.text("base.py"))
        os.replace(new, self.chance.choice(self.files()))

    def rename(self) -> None:
        one, other = self.chance.sample(self.files(), 2)
        os.replace(one, other)

    def swap(self) -> None:
        one, other = self.chance.sample(self.files(), 2)
        for old, new in ((one, self.folder / "third"), (other, one), (self.folder / "third", other)):
            os.replace(old, new)

    def remove(self) -> None:
        self.chance.choice(self.files()).unlink()

    def same_size_and_time(self) -> None:
        path = self.chance.choice(self.files())
        before, text = path.stat(), path.read_text()
        path.write_text(text.replace("nn.Module)", "nn.Modula)") if "nn.Module)" in text else text.swapcase())
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def link(self) -> None:
        path, target = self.folder / self.chance.choice(BASES), self.chance.choice([*self.files(), Path("nowhere")])
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def link_folder(self) -> None:
        path = self.folder / self.chance.choice(["src", "base", "lib"])
        path.unlink(missing_ok=True)
        path.symlink_to(self.folder / self.chance.choice(["pkg", "pkg/sub", "tools"]))

    def remove_folder(self) -> None:
        shutil.rmtree(self.folder / self.chance.choice(["pkg/sub", "src", "tools", "base", "pkg/base"]))

    def move_away_and_copy_back(self) -> None:
        away = self.folder.with_name("away")
        self.folder.rename(away)
        shutil.copytree(away, self.folder, symlinks=True)
        shutil.rmtree(away)

    def settings(self) -> None:
        self.write(self.chance.choice(["", "pkg/"]) + "pyproject.toml", self.chance.choice(SETTINGS))

    def gitignore(self) -> None:
        self.write(".gitignore", self.chance.choice(GITIGNORES))

    def happen(self) -> str:
        """Let something happen; the name of what it was."""
        events: list[Callable[[], None]] = [self.edit] * 8 + [self.same_size_and_time, self.link] * 2
        events += [self.replace, self.rename, self.swap, self.remove, self.remove_folder, self.settings]
        events += [self.link_folder, self.move_away_and_copy_back, self.gitignore]
        event = self.chance.choice(events)
        with suppress(OSError, ValueError):  # there is nothing to do it to
            event()
        return event.__name__


def damage(cache: Path, chance: random.Random) -> None:
    entries = sorted(cache.glob("*.json"))
    if entries and chance.random() < 0.2:
        entry = chance.choice(entries)
        content = entry.read_bytes()
        entry.write_bytes(chance.choice([b"", content[: len(content) // 2], content[:-2] + b"  ", b"\n{}"]))


def tick(probe: Path) -> None:
    """Let the file system's clock go on: what changes from now on has another time than what was linted."""
    probe.touch()
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == before:
        os.utime(probe)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute later: all files have long been what they are, so none is read to be sure."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60_000_000_000)


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("seed", range(3))
def test_the_cache_changes_no_answer(tmp_path: Path, seed: int) -> None:
    project, cached, history = Project(tmp_path / "project", seed), 0, []
    for _ in range(EDITS):
        tick(tmp_path / "probe")
        history.append(project.happen())
        damage(tmp_path / "cache", project.chance)
        options = finder(**project.chance.choice(OPTIONS))  # type: ignore[arg-type]
        answered = linter.lint([project.folder], options, cache=True, cache_dir=tmp_path / "cache")
        found = linter.lint([project.folder], options)
        assert (answered.findings, answered.skipped) == (found.findings, found.skipped), history
        cached += answered.cached
    assert cached > EDITS  # else nothing was asked of the cache
