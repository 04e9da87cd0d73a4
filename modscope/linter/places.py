"""Where modules lie: a file's dotted name, the folders its imports start from, the file that a name means."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

_FARTHEST = 8  # folders above a file in which its imports are looked up
_MARKS = frozenset({"pyproject.toml", "setup.py", "setup.cfg", ".git"})  # of a project's own folder


@dataclass(frozen=True, slots=True)
class Place:
    """A source file as a module."""

    module: str  # "pkg.models.net"
    package: str  # what its relative imports start from
    roots: tuple[str, ...]  # folders in which its absolute imports are looked up


@dataclass(frozen=True)
class Places:
    """What lies in the folders met so far; each is listed once."""

    _listed: dict[str, frozenset[str]] = field(default_factory=dict)
    _tops: dict[str, str] = field(default_factory=dict)
    _found: dict[tuple[str, tuple[str, ...]], str | None] = field(default_factory=dict)
    _roots: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def of(self, path: str, dots: int) -> Place:
        """The place of a file (absolute path) whose relative imports go up by as many dots."""
        folder, name = os.path.split(path)
        top = self._top(folder)
        base = folder
        for _ in range(dots):
            base = os.path.dirname(base)  # a folder without __init__.py is a package too when it is imported from
        top = min(top, base, key=len)
        package = folder[len(top) :].replace(os.sep, ".").strip(".")
        stem = name.rpartition(".")[0]
        module = package if stem == "__init__" else f"{package}.{stem}".lstrip(".")
        return Place(module, package, self._roots_of(folder, top))

    def _top(self, folder: str) -> str:
        """The first folder above that is no package, or this one."""
        if folder not in self._tops:
            top = folder
            while "__init__.py" in self.listing(top) and os.path.dirname(top) != top:
                top = os.path.dirname(top)
            self._tops[folder] = top
        return self._tops[folder]

    def find(self, module: str, roots: tuple[str, ...]) -> str | None:
        """The file that a dotted name means from these folders; None where it is none of the project."""
        key = (module, roots)
        if key not in self._found:
            self._found[key] = self._search(module.split("."), roots) if module else None
        return self._found[key]

    def listing(self, folder: str) -> frozenset[str]:
        """The names in a folder; none where it cannot be read."""
        if folder not in self._listed:
            try:
                self._listed[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._listed[folder] = frozenset()
        return self._listed[folder]

    def _roots_of(self, folder: str, top: str) -> tuple[str, ...]:
        """The package's parent, the file's own folder, and the folders above with their `src`."""
        if (folder, top) not in self._roots:
            roots, above = [top, folder], top
            for _ in range(_FARTHEST):
                here = self.listing(above)
                roots += [above, os.path.join(above, "src")] if "src" in here else [above]
                if here & _MARKS:
                    break
                above = os.path.dirname(above)
            self._roots[folder, top] = tuple(dict.fromkeys(roots))
        return self._roots[folder, top]

    def _search(self, parts: list[str], roots: tuple[str, ...]) -> str | None:
        for root in roots:
            folder = root
            for part in parts[:-1]:
                if part not in self.listing(folder):
                    break
                folder = os.path.join(folder, part)
            else:
                here = self.listing(folder)
                package = os.path.join(folder, parts[-1])
                if parts[-1] in here and "__init__.py" in self.listing(package):
                    return os.path.join(package, "__init__.py")
                if f"{parts[-1]}.py" in here:
                    return f"{package}.py"
        return None
