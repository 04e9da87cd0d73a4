"""Every format, found by walking: one body for all, and what a wrong wish is told."""

from __future__ import annotations

import importlib
import inspect

import pytest

from modscope.data import ModuleTree, Trace
from modscope.errors import ModscopeError
from modscope.graph import compare
from modscope.renderers import formats, render, shows
from tests.hand_built import named

every_format = pytest.mark.parametrize("format", formats())


@every_format
def test_it_shows_a_trace_and_a_tree(format: str) -> None:
    trace = named("Net")
    for thing in (trace, trace.tree):
        shown = render(thing, format)
        assert "Net" in (shown if isinstance(shown, str) else shown.decode("latin-1"))


@every_format
def test_the_same_trace_gives_the_same_bytes(format: str) -> None:
    assert render(named("Net"), format) == render(named("Net"), format)


@every_format
def test_it_says_which_things_it_can_show(format: str) -> None:
    with pytest.raises(ModscopeError, match=f"{format!r} shows a .*Trace.*, not a int"):
        render(3, format)


@every_format
def test_it_lists_its_options_for_an_unknown_one(format: str) -> None:
    module = importlib.import_module(f"modscope.renderers.{format}")
    options = list(inspect.signature(module.render).parameters)[1:]
    with pytest.raises(ModscopeError) as raised:
        render(named("Net"), format, colour="red")
    assert str(raised.value).endswith(", ".join(options) or "none")


@every_format
def test_its_file_says_what_it_is_for(format: str) -> None:
    module = importlib.import_module(f"modscope.renderers.{format}")
    assert module.__doc__
    assert {Trace, ModuleTree} <= set(shows(module))


def test_an_unknown_format_is_told_the_formats() -> None:
    with pytest.raises(ModscopeError, match="no format 'jpeg'; formats are dot, html, json, "):
        render(named("Net"), "jpeg")


@pytest.mark.parametrize("format", ["summary", "json"])
def test_a_comparison_can_be_shown(format: str) -> None:
    assert "Net" in str(render(compare(named("Net")), format))
