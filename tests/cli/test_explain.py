"""`modscope explain`, and the pages in docs/rules/."""

from pathlib import Path

import pytest

from modscope import explain
from tests.cli.conftest import Cli

PAGES = Path(__file__).parents[2] / "docs" / "rules"


def test_without_a_rule_all_are_listed_with_harm_default_and_fix(cli: Cli) -> None:
    lines = cli("explain").output.splitlines()
    assert lines[0].split() == ["rule", "default", "fix", "what", "the", "mistake", "does"]
    assert [line.split()[0] for line in lines[1:]] == list(explain.known())
    (row,) = [line for line in lines if line.startswith("direct-forward-call ")]
    assert row.split(maxsplit=3)[1:] == ["on", "safe", "Calling `forward` directly skips the module's hooks."]


def test_a_rule_is_explained_by_its_docstring(cli: Cli) -> None:
    output = cli("explain", "direct-forward-call").output
    assert output.startswith("direct-forward-call\nOn by default · error · safe fix (`--fix`)\n\nCalling `forward`")
    assert "\nBad:\n    class Net(nn.Module):\n" in output


def test_an_unknown_rule_exits_2_and_names_the_nearest(cli: Cli) -> None:
    result = cli("explain", "direct-foward-call")
    assert result.exit_code == 2
    assert "no rule 'direct-foward-call'; the nearest is 'direct-forward-call'" in result.output


@pytest.mark.parametrize("name", sorted(explain.known()))
def test_every_page_has_its_harm_code_fenced_and_nothing_left_indented(name: str) -> None:
    page = explain.page(name)
    markdown = page.markdown()
    assert markdown.startswith(f"# {name}\n\n*O")
    assert page.harm in markdown
    assert markdown.count("```") % 2 == 0
    prose = "".join(markdown.split("```")[::2])
    assert not [line for line in prose.splitlines() if line.startswith("    ")]


@pytest.mark.parametrize("name", sorted(explain.files()))
def test_no_page_in_docs_is_stale(name: str) -> None:
    assert (PAGES / name).read_text(encoding="utf-8") == explain.files()[name], "run `make docs`"


def test_docs_hold_no_page_of_a_rule_that_is_gone() -> None:
    assert {page.name for page in PAGES.iterdir()} == set(explain.files())


def test_writing_the_pages_removes_those_of_rules_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / "gone.md").touch()
    explain.write(tmp_path)
    assert {page.name for page in tmp_path.iterdir()} == set(explain.files())
