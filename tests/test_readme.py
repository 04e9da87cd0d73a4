"""What the README and the docs show is what their code and commands do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pages import FENCE, PAGES, ROOT, Page
from tests.workplace import work_in


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("path", PAGES, ids=name_of)


@each_page
def test_a_page_shows_what_its_code_and_commands_do(path: Path, tmp_path: Path) -> None:
    with work_in(tmp_path):
        page = Page(path)
        assert page.executed() == page.text
        assert all(shown.read_bytes() == made.read_bytes() for shown, made in page.pictures())


@each_page
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", path.read_text(encoding="utf-8"))):
        file = link.partition("#")[0]
        assert link.startswith(("https://", "#")) or (path.parent / file).exists(), link
