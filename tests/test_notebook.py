"""Traces, trees and summaries show themselves in a notebook: run by a real kernel."""

from __future__ import annotations

import re

import nbformat
import pytest
from nbclient import NotebookClient

SETUP = """
import torch
import modscope
from torch import nn

model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
trace = modscope.trace(model, torch.zeros(1, 8))
"""
SHOWN = ("trace", "trace.tree", "modscope.summary(model, torch.zeros(1, 8))", "modscope.summary(trace, depth=1)")


@pytest.fixture(scope="module")
def shown() -> dict[str, dict[str, str]]:
    """What a notebook shows of each expression, by MIME type."""
    sources = [SETUP, *SHOWN]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    return {cell.source: cell.outputs[0].data for cell in notebook.cells[1:]}


@pytest.mark.parametrize("expression", SHOWN)
def test_it_shows_itself_as_text(shown: dict[str, dict[str, str]], expression: str) -> None:
    assert "Sequential" in shown[expression]["text/plain"]


@pytest.mark.parametrize("expression", SHOWN)
def test_it_shows_itself_as_html_with_its_modules_and_total(shown: dict[str, dict[str, str]], expression: str) -> None:
    page = shown[expression]["text/html"]
    assert page.count("Linear") == 2
    assert re.search(r"parameters\s+46\b", page)


@pytest.mark.parametrize("expression", SHOWN)
def test_its_html_needs_no_script_no_style_sheet_and_nothing_from_elsewhere(
    shown: dict[str, dict[str, str]], expression: str
) -> None:
    assert not re.findall(r"<script|<style|<link|<iframe|\son\w+=|https?:|javascript:", shown[expression]["text/html"])
