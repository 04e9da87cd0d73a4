"""What a model calls itself is text in every format: it is never markup, an escape or a new line, and stays legible."""

from __future__ import annotations

import json
import re
import subprocess
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from modscope.graph import compare
from modscope.renderers import formats, render
from tests.hand_built import named, raised

PAYLOADS = {
    "newlines": "one\ntwo\r\nthree",
    "quotes": "a\"b'c`d",
    "backslashes": "a\\Nb\\Gc\\l\\",
    "script": "<script>alert(1)</script>",
    "html label": "<b>bold</b>",
    "image": "<img src=x onerror=alert(1)>",
    "end of cdata": "a]]>b<![CDATA[c",
    "end of comment": "a-->b<!--c",
    "entities": "&lt;&amp;&#60;&nbsp;",
    "link": "javascript:alert(1)",
    "bidi": "abc\u202edcba\u2066x\u2069",
    "terminal": "\x1b[31mred\x1b]0;title\x07",
    "c1": "a\x9b31mb\x85c",
    "nul": "a\x00b",
    "surrogate": "a\ud800b\udfffc",
    "noncharacter": "a\uffffb\ufffec",
    "separators": "a\u2028b\u2029c",
    "github command": "::error file=x::forged",
    "wide": "模型🦙가나다",
    "combining": "é" + "\u0301" * 20,
    "long": "x" * 20_000,
    "many lines": "\n" * 3_000,
    "dot statement": '"]; evil [label="x',
    "cluster": "cluster_1",
    "port": "a:b:c",
    "empty": "",
    "braces": "{a|b}",
    "percent": "%0A%0d%s{0}",
}
every_payload = pytest.mark.parametrize("text", PAYLOADS.values(), ids=PAYLOADS.keys())

every_name = pytest.mark.parametrize(
    "text", [text for text in PAYLOADS.values() if text], ids=[name for name, text in PAYLOADS.items() if text]
)

# Everything that could move a cursor, hide, or change the direction of reading.
INVISIBLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


@every_payload
@pytest.mark.parametrize("format", [name for name in formats() if name not in ("svg", "png")])
def test_every_text_format_is_legible_text(format: str, text: str) -> None:
    for trace in (named(text), raised(named(text), text)):
        shown = render(trace, format)
        assert isinstance(shown, str)
        assert not INVISIBLE.search(shown.replace("\t", "") if format == "dot" else shown)
        assert shown.encode()


@every_name
@pytest.mark.parametrize("format", ["summary", "tree", "html"])
def test_names_add_no_lines(format: str, text: str) -> None:
    shown, plain = render(named(text), format), render(named("plain"), format)
    assert str(shown).count("\n") == str(plain).count("\n")


@pytest.mark.parametrize("text", ["::error file=x::forged", " ::warning::forged", "##[error]forged"])
def test_no_line_is_a_command_to_a_runner(text: str) -> None:
    trace = named(text)
    for shown in (render(trace, "summary"), render(trace, "tree"), render(compare(trace), "summary")):
        assert not [line for line in str(shown).splitlines() if line.lstrip().startswith("::") or "##[" in line]
        assert "forged" in str(shown)


@every_payload
def test_a_picture_is_wellformed_and_nothing_in_it_is_alive(text: str) -> None:
    picture = render(named(text), "svg")
    assert isinstance(picture, str)
    root = ElementTree.fromstring(picture)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "g", "title", "text", "path", "polygon", "polyline", "ellipse"}
    attributes = {name.rpartition("}")[2] for element in root.iter() for name in element.attrib}
    assert not {name for name in attributes if name == "href" or name.startswith("on")}


@pytest.mark.parametrize("name", ["quotes", "backslashes", "script", "html label", "entities", "braces", "percent"])
def test_a_picture_shows_printable_names_as_they_are(name: str) -> None:
    picture = render(named(PAYLOADS[name]), "svg")
    texts = [element.text or "" for element in ElementTree.fromstring(picture).iter() if element.tag.endswith("text")]
    assert any(PAYLOADS[name] in shown.replace("\xa0", " ") for shown in texts)


@every_name
def test_a_card_holds_no_element_that_a_name_made(text: str) -> None:
    page = render(named(text), "html")
    assert isinstance(page, str)
    assert _elements(page) == _elements(str(render(named("plain"), "html")))


@pytest.mark.dot
@every_payload
def test_the_program_dot_accepts_the_source(text: str) -> None:
    source = render(named(text), "dot")
    assert isinstance(source, str)
    done = subprocess.run(["dot", "-Tsvg"], input=source.encode(), capture_output=True, check=False)
    assert done.returncode == 0
    assert not done.stderr
    ElementTree.fromstring(done.stdout)


@every_payload
def test_a_comparison_is_legible_too(text: str) -> None:
    comparison = compare(named(text))
    assert not INVISIBLE.search(str(render(comparison, "summary")))
    assert json.loads(render(comparison, "json"))["root"] == text


def _elements(page: str) -> list[tuple[str, tuple[str, ...]]]:
    found: list[tuple[str, tuple[str, ...]]] = []

    class Elements(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, tuple(name for name, _ in attrs)))

    Elements().feed(page)
    return found
