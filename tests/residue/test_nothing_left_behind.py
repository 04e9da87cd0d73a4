"""Every tricky module in every situation, beside a twin that is run plainly: nothing that the tracer did is left."""

from __future__ import annotations

from functools import cache
from zlib import crc32

import pytest

from tests.residue import cases, situations
from tests.residue.cases import Build
from tests.residue.scene import Situation, perform, recorded, traced, unwatched, violations
from tests.residue.situations import normal

SITUATIONS = situations.walk()
ALWAYS = ("normal", "inference")
SHARE = 12  # of the other situations a module is met in one of twelve; `SHARE = 1` runs all, in some minutes


def meets(function: Build, name: str) -> bool:
    """Whether a module may be met in a situation."""
    return name in getattr(function, "only", SITUATIONS) and name not in getattr(function, "never", ())


def chosen(name: str, where: str) -> bool:
    """The same choice in every run, and another one for every module."""
    return where in ALWAYS or (crc32(name.encode()) + list(SITUATIONS).index(where)) % SHARE == 0


PRODUCT = [
    pytest.param(function, situation, id=f"{name}-{where}")
    for name, function in cases.walk().items()
    for where, situation in SITUATIONS.items()
    if meets(function, where) and chosen(name, where)
]


@cache
def warm(function: Build) -> None:
    """What torch and Python do once in a process, for the first that comes, is not the tracer's."""
    perform(function, normal, unwatched(function))


@pytest.mark.parametrize(("function", "situation"), PRODUCT)
def test_nothing_is_left_behind(function: Build, situation: Situation) -> None:
    warm(function)
    trace, record = perform(function, situation, traced), perform(function, situation, recorded)
    assert violations(trace, situation) == []
    assert violations(record, situation) == []
