"""The card for notebooks."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
import torch
from torch import nn

import modscope
from fixtures import models
from modscope.renderers import render

# What JupyterLab's sanitizer leaves of an untrusted notebook.
ALLOWED = {"div", "span", "b", "details", "summary"}


def card(name: str) -> str:
    return str(render(models.trace(name), "html"))


@pytest.mark.parametrize("name", models.NAMES)
def test_it_uses_only_what_a_notebook_keeps(name: str) -> None:
    used: set[str] = set()
    attributes: set[str] = set()

    class Elements(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            used.add(tag)
            attributes.update(key for key, _ in attrs)

    Elements().feed(card(name))
    assert used <= ALLOWED
    assert attributes <= {"style", "open"}
    assert "var(" not in card(name)


@pytest.mark.parametrize("name", models.NAMES)
def test_every_element_is_closed(name: str) -> None:
    open_tags: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Balance().feed(card(name))
    assert not open_tags


def test_modules_that_hold_others_fold() -> None:
    assert card("residual").count("<details") == 3


def test_it_says_the_total_and_the_marks() -> None:
    page = card("never_called")
    assert "parameters  144" in page
    assert "never called" in page


def test_it_names_no_colour_of_ink_or_paper() -> None:
    """So it is right in dark and in light."""
    assert not re.search(r"background|color:(#000|#fff|black|white)", card("residual"))


def test_siblings_that_are_all_alike_are_shown_once_and_counted() -> None:
    model = nn.Sequential(*[nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(2000)])
    page = str(render(modscope.trace(model, torch.zeros(1, 2)), "html"))
    assert len(page) < 10_000
    assert "1 … 1999" in page
    assert "1999 more like 0" in page
    assert "11,994" in page


def test_a_big_model_is_still_a_small_card() -> None:
    tree = modscope.inspect(nn.Sequential(*[nn.Linear(1, width) for width in range(1, 2000)]))
    page = str(render(tree, "html"))
    assert len(page) < 150_000
    assert "and 1,600 modules more" in page
