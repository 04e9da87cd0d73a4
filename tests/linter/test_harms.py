"""What a page says of run time, seen in torch: harm in the bad example, none in the good and the mended one."""

import pkgutil
from importlib import import_module
from types import SimpleNamespace

import pytest

from modscope.linter import rules
from tests.linter import harms
from tests.linter.test_rules import example, fixed, lint

HARMS = sorted(module.name for module in pkgutil.iter_modules(harms.__path__))


def harmed(rule: str, code: str) -> bool:
    names: dict[str, object] = {"__name__": "example"}
    exec(compile(code, f"<{rule}>", "exec"), names)
    found: bool = import_module(f"{harms.__name__}.{rule}").harmed(SimpleNamespace(**names))
    return found


@pytest.mark.parametrize("rule", HARMS)
def test_the_bad_example_does_harm(rule: str) -> None:
    assert harmed(rule, example(rule.replace("_", "-"), "Bad"))


@pytest.mark.parametrize("rule", HARMS)
def test_the_good_example_does_none(rule: str) -> None:
    assert not harmed(rule, example(rule.replace("_", "-"), "Good"))


@pytest.mark.parametrize("rule", [rule for rule in HARMS if rules.load(rule.replace("_", "-")).fix])
def test_the_fix_ends_the_harm(rule: str) -> None:
    name = rule.replace("_", "-")
    bad = example(name, "Bad")
    assert not harmed(rule, fixed(bad, lint(bad, name).findings))
