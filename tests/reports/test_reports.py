"""Report -> text, in every format: one body walks them all, then what each one promises."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

import jsonschema
import pytest

from modscope import lint_source, reports
from modscope.config import Config
from modscope.errors import ModscopeError
from modscope.findings import Edit, Finding, Fix, Location, Report, Rewrite, Severity, Skip

PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "json-lines": lambda text: [json.loads(line) for line in text.split("\n")],
    "gitlab": json.loads,
    "sarif": json.loads,
    "junit": ElementTree.fromstring,
}
PAYLOADS = [
    "\n::error file=a.py::forged",
    "::error::forged",
    "  ::add-mask::x",
    "##[error]forged",
    "\r::warning::forged\r\n",
    "a\x1b[31mred\x1b]8;;http://x\x07link",
    "nul\0 vt\x0b ff\x0c del\x7f csi\x9b31m nel\x85 ls\u2028 ps\u2029",
    "bidi\u202e\u2066txt",
    "undecodable\udcff\udc80 lone\ud800",
    "</failure>]]><script>alert(1)</script>&amp;&#0;",
    '", "forged": "yes',
    "100%0A::error::%25,a=b:c",
    "noncharacter\ufffe\uffff tag\U000e0041",
    "back\\slash 'quote` {brace} $(sh) ${{ x }}",
    "字😀é",
    "",
]


def sample(text: str = "text", file: str = "pkg/net.py") -> Report:
    """One finding of each shape, with `text` wherever foreign text can stand."""
    fix = Fix(f"wrap it {text}", (Edit(10, 12, f"nn.ModuleList({text})", Location(file, 2, 5, 2, 7)),), safe=False)
    where = Location(file, 7, 9, 7, 20)
    before = text.replace("\n", " ").encode("utf-8", "surrogatepass") + b"\nx = [1]\n"
    return Report(
        findings=(
            Finding("some-rule", f"said {text}", location=where, fix=fix, source=f"    x = {text}", scope=f"Net{text}"),
            Finding("some-rule", text, Severity.WARNING, Location(file, 8, 1, 9, 2, cell=2), no_fix=text, source=text),
            Finding("other-rule", text, Severity.ADVICE, path=f"{text}.0"),
            Finding("other-rule", "both", location=replace(where, end_line=None, end_column=None), path="a.b"),
        ),
        files=3,
        skipped=(Skip(file, text),),
        rewrites=(Rewrite(file, before, before.replace(b"[1]", b"(1)")),),
    )


@pytest.mark.parametrize("format", reports.formats())
def test_every_format_is_the_same_twice_and_ends_without_a_newline(format: str) -> None:
    text = reports.render(sample(), format)
    assert text == reports.render(sample(), format)
    assert text
    assert not text.endswith("\n")


@pytest.mark.parametrize("format", reports.formats())
def test_every_format_can_say_that_there_is_nothing(format: str) -> None:
    text = reports.render(Report(()), format)
    assert format not in PARSERS or format == "json-lines" or PARSERS[format](text) is not None


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("format", reports.formats())
def test_foreign_text_stays_text(format: str, payload: str) -> None:
    text = reports.render(sample(payload, file=payload or "x"), format)
    plain = reports.render(sample(), format)
    text.encode()  # valid UTF-8
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]", text)
    assert text.count("\n") == plain.count("\n")
    assert "##[" not in text or format in PARSERS
    commands = [line for line in text.split("\n") if line.lstrip().startswith("::")]
    assert len(commands) == (4 if format == "github" else 0)
    if format in PARSERS:
        assert PARSERS[format](text) is not None


@pytest.mark.parametrize("payload", [payload for payload in PAYLOADS if payload])
@pytest.mark.parametrize("format", ["json", "json-lines"])
def test_json_gives_names_and_texts_back(format: str, payload: str) -> None:
    records = PARSERS[format](reports.render(sample(payload, file=payload), format))
    assert isinstance(records, list)
    assert records[0]["location"]["file"] == payload
    assert records[1]["message"] == payload


@pytest.mark.parametrize("format", ["concise", "full"])
def test_a_finding_begins_with_its_place_rule_and_message(format: str) -> None:
    assert reports.render(sample(), format).startswith("pkg/net.py:7:9: some-rule said text\n")


def test_concise_has_one_line_per_finding() -> None:
    assert reports.render(sample(), "concise").split("\n") == [
        "pkg/net.py:7:9: some-rule said text",
        "pkg/net.py:cell 2:8:1: some-rule text",
        "text.0: other-rule text",
        "pkg/net.py:7:9: other-rule both",
    ]


@pytest.mark.parametrize("format", ["gitlab", "sarif"])
def test_readers_that_refuse_lone_surrogates_get_none(format: str) -> None:
    document = json.loads(reports.render(sample("x\udcff", file="y\ud800.py"), format))
    json.dumps(document, ensure_ascii=False).encode()
    assert "x\\udcff" in str(document).replace("\\\\", "\\")


def block(**changes: object) -> list[str]:
    finding = Finding("r", "m", location=Location("f.py", 12, 5, 12, 9), source="    self.x = 1")
    return reports.render(Report((replace(finding, **changes),)), "full").split("\n")


def test_full_shows_the_line_underlined_with_notes_and_help() -> None:
    fix = Fix("wrap it", (), safe=True)
    assert block(scope="Net", path="a.b", fix=fix) == [
        "f.py:12:5: r m",
        "   |",
        "12 |     self.x = 1",
        "   |     ^^^^",
        "   |",
        "   = note: seen in the run at a.b",
        "   = note: in Net",
        "   = help: wrap it (--fix)",
    ]


def test_full_says_why_there_is_no_fix() -> None:
    assert block(no_fix="its keys are no names")[-1] == "   = note: no fix here: its keys are no names"


@pytest.mark.parametrize(
    ("source", "column", "end", "shown", "underline"),
    [
        ("字 = b", 5, 6, "字 = b", " " * 5 + "^"),
        ("é\u0301x", 3, 4, "é\u0301x", " ^"),
        ("\tx = 1", 2, 3, "    x = 1", "    ^"),
        ("\x1b = 1", 3, 4, "␛ = 1", "  ^"),
        ("\u202e = 1", 3, 4, "\\u202e = 1", " " * 7 + "^"),
        ("x", 1, 1, "x", "^"),
        ("x = 1", 40, 50, "x = 1", " " * 5 + "^"),
    ],
)
def test_the_underline_stands_below_what_it_means(
    source: str, column: int, end: int, shown: str, underline: str
) -> None:
    lines = block(source=source, location=Location("f.py", 1, column, 1, end))
    assert lines[2] == f"1 | {shown}"
    assert lines[3] == f"  | {underline}"


def test_the_underline_of_several_lines_ends_with_the_first() -> None:
    lines = block(source="x = [\n", location=Location("f.py", 1, 5, 3, 2))
    assert lines[3] == "  |     ^"


def test_a_very_long_line_is_shown_around_its_finding() -> None:
    source = "a" * 10_000 + "BUG" + "b" * 10_000
    lines = block(source=source, location=Location("f.py", 1, 10_001, 1, 10_004))
    assert len(lines[2]) < 200
    assert lines[2][lines[3].index("^") :].startswith("BUG")


@pytest.mark.parametrize("format", [format for format in reports.formats() if "color" in reports.options(format)])
def test_colour_is_there_only_when_asked_for(format: str) -> None:
    colored = reports.render(sample(), format, color=True)
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == reports.render(sample(), format)


def test_github_annotates_file_line_and_column() -> None:
    assert reports.render(sample(), "github").split("\n")[0] == (
        "::error title=modscope (some-rule),file=pkg/net.py,line=7,col=9,endLine=7,endColumn=20"
        "::pkg/net.py:7:9: some-rule said text"
    )


def test_github_knows_three_levels() -> None:
    lines = reports.render(sample(), "github").split("\n")
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::notice", "::error"]


def test_github_encodes_line_ends_percents_and_commas() -> None:
    finding = Finding("r", "a\nb%0A", location=Location("a,b:c\n.py", 1))
    assert reports.render(Report((finding,)), "github") == (
        "::error title=modscope (r),file=a%2Cb%3Ac%0A.py,line=1,col=1::a,b:c␊.py:1:1: r a%0Ab%250A"
    )


def fingerprints(format: str, report: Report) -> list[str]:
    document = json.loads(reports.render(report, format))
    if format == "gitlab":
        return [issue["fingerprint"] for issue in document]
    return [result["partialFingerprints"]["modscope/v1"] for result in document["runs"][0]["results"]]


def at(line: int, source: str = "x = 1") -> Finding:
    return Finding("r", f"message of line {line}", location=Location("a.py", line, 3), source=source)


@pytest.mark.parametrize("format", ["gitlab", "sarif"])
def test_a_fingerprint_survives_lines_added_above(format: str) -> None:
    assert fingerprints(format, Report((at(3),))) == fingerprints(format, Report((at(30, "   x = 1"),)))


@pytest.mark.parametrize("format", ["gitlab", "sarif"])
def test_no_two_fingerprints_are_equal(format: str) -> None:
    same = [at(3), at(3), at(4), at(5, "y = 1"), replace(at(3), rule="s"), replace(at(3), path="a")]
    assert len(set(fingerprints(format, Report(tuple(same))))) == len(same)


def test_gitlab_has_the_fields_its_merge_requests_read() -> None:
    issue = json.loads(reports.render(sample(), "gitlab"))[0]
    assert re.fullmatch("[0-9a-f]{64}", issue.pop("fingerprint"))
    assert issue == {
        "check_name": "some-rule",
        "description": "said text",
        "severity": "major",
        "location": {"path": "pkg/net.py", "lines": {"begin": 7}},
    }


def sarif(report: Report) -> dict[str, object]:
    return json.loads(reports.render(report, "sarif"))["runs"][0]


NET = """# coding: utf-8
class Net(torch.nn.Module):
    def __init__(self, n):
        super().__init__()
        self.字 = [torch.nn.Linear(1, 1)]; self.layers = []  # modscope: ignore[direct-forward-call]
        self.blocks = [
            torch.nn.Linear(1, 1) for _ in range(n)]
"""
BOOK = json.dumps({"cells": [{"cell_type": "code", "source": ["import torch\n", *NET.splitlines(keepends=True)]}]})
SCHEMA = Path(__file__).parents[2] / "fixtures/schemas/sarif-2.1.0-rtm.5.json"
LINTED = {
    "nothing": ("x = 1", "net.py"),
    "several edits": (NET.replace("# coding: utf-8", "import torch"), "net.py"),
    "a byte order mark": (("\ufeffimport torch\n" + NET).encode(), "net.py"),
    "a notebook": (BOOK, "net.ipynb"),
    "a broken cell": ('{"cells": [{"cell_type": "code", "source": "x = ("}]}', "net.ipynb"),
    "no Python": ("x = (", "net.py"),
    "no text": (b"\xff", "net.py"),
    "a name of blanks": ("x = (", "a b/#%?: \udcff\n.py"),
}
REPORTS = {
    "each shape": sample(),
    "nothing examined": Report(()),
    "only skips": Report((), skipped=(Skip("a b.py", "it is no longer there"),)),
    "a finding without a place": Report((Finding("r", "m"),)),
    "the root module": Report((Finding("r", "m", path=""),)),
    "a fix of bytes": Report((Finding("r", "m", location=Location("a.py", 1), fix=Fix("f", (Edit(0, 1, ""),), True)),)),
    "a fix without edits": Report((Finding("r", "m", location=Location("a.py", 1), fix=Fix("f", (), True)),)),
    **{f"payload {number}": sample(payload, file=payload or "x") for number, payload in enumerate(PAYLOADS)},
    **{name: lint_source(data, filename=file, config=Config(select=("ALL",))) for name, (data, file) in LINTED.items()},
}


@pytest.mark.parametrize("name", REPORTS)
def test_sarif_is_what_its_schema_says(name: str) -> None:
    document = json.loads(reports.render(REPORTS[name], "sarif"))
    schema = json.loads(SCHEMA.read_text())
    assert list(jsonschema.Draft4Validator(schema).iter_errors(document)) == []


@pytest.mark.parametrize("name", ["several edits", "a byte order mark"])
def test_a_sarif_region_is_counted_in_code_points(name: str) -> None:
    data = LINTED[name][0]
    text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
    lines = text.splitlines(keepends=True)
    run = sarif(REPORTS[name])
    assert run["columnKind"] == "unicodeCodePoints"
    regions = [
        (change["deletedRegion"], change["insertedContent"]["text"])
        for result in run["results"]
        for fix in result.get("fixes", ())
        for change in fix["artifactChanges"][0]["replacements"]
    ]

    def place(line: int, column: int) -> int:
        return sum(map(len, lines[: line - 1])) + column - 1

    assert len(regions) > 2
    for region, inserted in sorted(regions, key=lambda each: -each[0]["startLine"] * 1000 - each[0]["startColumn"]):
        start, end = (place(region[f"{which}Line"], region[f"{which}Column"]) for which in ("start", "end"))
        text = text[:start] + inserted + text[end:]
    assert "self.字 = torch.nn.ModuleList([torch.nn.Linear(1, 1)]); self.layers = []\n" in text
    assert "self.blocks = torch.nn.ModuleList([\n            torch.nn.Linear(1, 1) for _ in range(n)])\n" in text


def test_a_sarif_result_says_where_what_and_how_to_mend_it() -> None:
    result = sarif(sample())["results"][0]
    assert result["ruleId"] == "some-rule"
    assert result["level"] == "error"
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "pkg/net.py"},
        "region": {
            "startLine": 7,
            "startColumn": 9,
            "endLine": 7,
            "endColumn": 20,
        },
        "contextRegion": {"startLine": 7, "snippet": {"text": "    x = text"}},
    }
    assert location["logicalLocations"] == [{"fullyQualifiedName": "Nettext"}]
    (change,) = result["fixes"][0]["artifactChanges"]
    assert change["replacements"] == [
        {
            "deletedRegion": {"startLine": 2, "startColumn": 5, "endLine": 2, "endColumn": 7},
            "insertedContent": {"text": "nn.ModuleList(text)"},
        }
    ]


def test_a_sarif_result_points_to_its_rule() -> None:
    run = sarif(sample())
    rules = run["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [each.rule for each in sample()]


def test_sarif_says_what_was_not_examined() -> None:
    (notification,) = sarif(sample())["invocations"][0]["toolExecutionNotifications"]
    assert notification["message"]["text"] == "not examined: text"


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        (b"a b#c?d%e:f.py", "a%20b%23c%3Fd%25e%3Af.py"),
        (b"undecodable\xff\n.py", "undecodable%FF%0A.py"),
        ("字.py".encode(), "%E5%AD%97.py"),
        (b"/abs/a.py", "file:///abs/a.py"),
    ],
)
def test_a_sarif_uri_holds_the_very_bytes_of_the_name(name: bytes, uri: str) -> None:
    finding = Finding("r", "m", location=Location(name.decode("utf-8", "surrogateescape"), 1))
    artifact = sarif(Report((finding,)))["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact == {"uri": uri}
    assert unquote_to_bytes(uri).removeprefix(b"file://") == name


def test_junit_has_a_suite_per_file_and_a_case_per_finding() -> None:
    root = ElementTree.fromstring(reports.render(sample(), "junit"))
    assert [suite.get("name") for suite in root] == ["pkg/net.py", "text.0", "pkg/net.py"]
    assert root.get("failures") == "4"
    case = root[0][0]
    assert case.attrib == {
        "name": "some-rule",
        "classname": "pkg/net.py",
        "file": "pkg/net.py",
        "line": "7",
        "column": "9",
    }
    assert case[0].get("message") == "said text"


def test_junit_of_a_clean_run_has_a_case_that_passed() -> None:
    root = ElementTree.fromstring(reports.render(Report(()), "junit"))
    assert (root.get("tests"), root.get("failures")) == ("1", "0")


def test_statistics_count_the_findings_of_each_rule() -> None:
    assert reports.render(sample(), "statistics").split("\n") == ["2      other-rule", "2  [*] some-rule"]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"", b"    return x", b"x = 1"])
def test_a_diff_can_be_applied(tmp_path: Path, ending: bytes, last: bytes) -> None:
    before = b"def f():" + ending + b"\tx = 1" + ending + last
    after = before.replace(b"1", b"2")
    (tmp_path / "a b.py").write_bytes(before)
    diff = reports.render(Report((), rewrites=(Rewrite("a b.py", before, after),)), "diff") + "\n"
    subprocess.run(["git", "apply", "-p0"], input=diff.encode(), cwd=tmp_path, check=True)
    assert (tmp_path / "a b.py").read_bytes() == after


def test_an_unknown_format_is_an_error_that_lists_them_all() -> None:
    with pytest.raises(ModscopeError, match=f"no report format 'html'; formats are {', '.join(reports.formats())}"):
        reports.render(Report(()), "html")


def test_an_unknown_option_is_an_error_that_lists_those_there_are() -> None:
    with pytest.raises(ModscopeError, match="'full' has no option 'colour'; its options are color"):
        reports.render(Report(()), "full", colour=True)
