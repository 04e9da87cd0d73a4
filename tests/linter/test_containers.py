"""The container rules against torch: each class is made, and what it loses is what is reported of it."""

from __future__ import annotations

import inspect
import re
from collections import deque
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from torch import nn

import modscope
from fixtures.containers import guilty, innocent
from modscope.config import Config

RULES = (
    "unregistered-module-dict",
    "unregistered-module-list",
    "unregistered-module-tuple",
    "unregistered-parameter-container",
)
CLASSES = {
    f"{source.__name__.rpartition('.')[2]}.{name}": made
    for source in (guilty, innocent)
    for name, made in vars(source).items()
    if inspect.isclass(made) and issubclass(made, nn.Module) and made.__module__ == source.__name__
}


@cache
def reported(path: str) -> frozenset[tuple[str, str]]:
    """The class and the attribute of each finding in a file."""
    report = modscope.lint([Path(path)], Config(select=RULES))
    names = (re.search(r"`self\.(\w+)`", finding.message) for finding in report)
    scopes = ((finding.scope or "").partition(".")[0] for finding in report)
    return frozenset((scope, found.group(1)) for scope, found in zip(scopes, names, strict=True) if found)


def held(value: object, depth: int = 0) -> Iterator[nn.Parameter]:
    """The parameters that are in a plain container."""
    if isinstance(value, nn.Parameter):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.parameters()
    elif isinstance(value, dict):
        for each in value.values():
            yield from held(each, depth + 1)
    elif isinstance(value, list | tuple | set | deque):
        for each in value:
            yield from held(each, depth + 1)


def lost(module: nn.Module) -> set[str]:
    """The attributes that hold parameters which `parameters()` does not."""
    registered = {id(each) for each in module.parameters()}
    attributes = {**vars(type(module)), **vars(module)}
    return {
        name
        for name, value in attributes.items()
        if name not in ("_modules", "_parameters") and any(id(each) not in registered for each in held(value))
    }


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", CLASSES)
def test_what_a_class_loses_is_what_is_reported_of_it(name: str) -> None:
    made = CLASSES[name]
    found = {attribute for scope, attribute in reported(str(inspect.getfile(made))) if scope == made.__name__}
    missing = lost(made())
    assert found == missing
    assert bool(missing) == name.startswith("guilty")


def test_a_comma_that_makes_a_tuple_is_one_finding(tmp_path: Path) -> None:
    source = "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    (tmp_path / "net.py").write_text(source + "        self.fc = nn.Linear(4, 4),\n")
    report = modscope.lint([tmp_path], Config(select=(*RULES, "trailing-comma-module")))
    assert [finding.rule for finding in report] == ["trailing-comma-module"]
