"""Every rule and every fixture, found by walking: what a page promises, what a fixture marks."""

import ast
import re
import textwrap
from pathlib import Path

import pytest

import modscope
from modscope.config import Config
from modscope.findings import Finding, Report
from modscope.linter import rules
from tests import golden

FIXTURES = Path(__file__).parents[2] / "fixtures" / "lint"
EXPECTED = re.compile(r"#\s*expect:\s*([\w, -]+)")
ALL = Config(select=("ALL",))
HEADER = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n\n\n"


def fixtures() -> list[Path]:
    return sorted(path for path in FIXTURES.glob("[!_]*.py") if not path.stem.endswith(".fixed"))


def example(name: str, title: str) -> str:
    """The code below `Bad:` or `Good:` of a rule's page."""
    found = re.search(rf"^{title}:\n((?:    .*\n|\n)+)", rules.load(name).page + "\n", re.MULTILINE)
    assert found, f"the page of {name} has no part {title}:"
    code = textwrap.dedent(found[1]).strip() + "\n"
    return code if re.search(r"^(import|from) ", code, re.MULTILINE) else HEADER + code


def lint(text: str, name: str) -> Report:
    """The findings of one rule; what the engine reports depends on the other rules, so they run too."""
    alone = rules.load(name).looks_at != "file"
    report = modscope.lint_source(text, config=Config(select=(name,)) if alone else ALL)
    return Report(tuple(each for each in report.findings if alone or each.rule == name))


def fixed(text: str, findings: tuple[Finding, ...]) -> str:
    """The text with every finding's fix, the last first."""
    data = text.encode()
    edits = {edit for finding in findings if finding.fix for edit in finding.fix.edits}
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end), reverse=True):
        data = data[: edit.start] + edit.text.encode() + data[edit.end :]
    return data.decode()


@pytest.mark.parametrize("path", fixtures(), ids=lambda path: path.stem)
def test_the_marked_lines_are_guilty_and_all_others_innocent(path: Path) -> None:
    text = path.read_text()
    expected = {
        (number, name.strip())
        for number, line in enumerate(text.splitlines(), 1)
        if (match := EXPECTED.search(line))
        for name in match[1].split(",")
    }
    own = path.stem.replace("_", "-")
    report = lint(text, own) if own in rules.names() else modscope.lint_source(text, config=ALL)
    assert {(finding.location.line, finding.rule) for finding in report.findings} == expected


@pytest.mark.parametrize("path", fixtures(), ids=lambda path: path.stem)
def test_another_layout_has_the_same_findings(path: Path) -> None:
    text = path.read_text()
    tabs = re.sub(r"^( {4})+", lambda match: "\t" * (len(match[0]) // 4), text, flags=re.MULTILINE)
    layouts = [text, tabs, text.replace("\n", "\r\n"), f"\ufeff{text.rstrip()}"]
    found = [modscope.lint_source(layout.encode(), config=ALL).findings for layout in layouts]
    first, *others = [[(each.location.line, each.rule, each.fix is None) for each in findings] for findings in found]
    assert others == [first] * 3


@pytest.mark.parametrize("name", rules.names())
def test_every_rule_has_a_fixture(name: str) -> None:
    assert (FIXTURES / f"{name.replace('-', '_')}.py").exists()


@pytest.mark.parametrize("name", rules.names())
def test_what_a_rule_declares_can_be_read_without_importing_it(name: str) -> None:
    declared, rule = rules.declared(name), rules.load(name)
    assert declared.default == rule.default
    assert declared.words in ((), rule.words)


@pytest.mark.parametrize("name", rules.names())
def test_a_page_opens_with_the_harm_in_one_sentence(name: str) -> None:
    harm, gap, *_ = rules.load(name).page.split("\n")
    assert harm.endswith(".")
    assert not gap


@pytest.mark.parametrize("name", rules.names())
def test_the_bad_example_is_found(name: str) -> None:
    assert {finding.rule for finding in lint(example(name, "Bad"), name).findings} == {name}


@pytest.mark.parametrize("name", rules.names())
def test_the_good_example_is_clean(name: str) -> None:
    assert lint(example(name, "Good"), name).findings == ()


@pytest.mark.parametrize("name", [name for name in rules.names() if rules.load(name).fix])
def test_the_fix_mends_the_bad_example_and_is_stable(name: str) -> None:
    bad = example(name, "Bad")
    mended = fixed(bad, lint(bad, name).findings)
    assert mended != bad
    assert lint(mended, name).findings == ()
    ast.parse(mended)


@pytest.mark.parametrize(
    ("name", "before", "after"), list(golden.fixed()), ids=lambda each: getattr(each, "stem", each)
)
def test_the_fixed_fixture_is_what_the_fix_makes_and_one_more_run_leaves_it(
    name: str, before: Path, after: Path
) -> None:
    """`python -m tests.golden` writes it; the difference is read like code."""
    assert after.read_text() == golden.mended(name, before)
    assert golden.mended(name, after) == ""
    ast.parse(after.read_text())


@pytest.mark.parametrize("name", rules.names())
def test_a_rule_that_promises_a_fix_says_what_it_changes(name: str) -> None:
    assert ("\nFix: " in rules.load(name).page) == (rules.load(name).fix is not None)


@pytest.mark.parametrize("name", rules.names())
def test_the_good_example_runs_in_torch(name: str) -> None:
    names: dict[str, object] = {"__name__": name}
    exec(compile(example(name, "Good"), f"<{name}>", "exec"), names)
    assert names.keys() > {"__name__", "__builtins__"}  # it has made something


def test_a_message_is_one_line_though_the_code_in_it_is_several() -> None:
    method = "    def forward(self, x):\n        return x.view(\n 1,\n 4).cuda()\n"
    code = f"import torch\nclass Net(torch.nn.Module):\n{method}"
    (finding,) = modscope.lint_source(code, config=Config(select=("hard-coded-cuda",))).findings
    assert finding.message.startswith("`x.view( 1, 4).cuda()` runs")
