"""Comments that hide findings: found, removed, added."""

import ast

import pytest

from modscope import suppressions


def hidden_lines(text: str, rule: str = "some-rule") -> list[int]:
    ignores = suppressions.read(text)
    return [line for line in range(1, text.count("\n") + 3) if ignores.hiding(rule, line)]


@pytest.mark.parametrize(
    "comment",
    [
        "# modscope: ignore[some-rule]",
        "# modscope: ignore[other-rule, some-rule]",
        "#modscope:ignore[ some-rule ,other-rule]",
        "# modscope: ignore [some-rule]",
        "# modscope: ignore",
        "# modscope: ignore[ALL]",
        "# modscope: ignore[some-rule] because the library wants it",
        "# type: ignore  # modscope: ignore[some-rule]  # noqa: E501",
        "# noqa",
        "#NOQA",
        "# noqa because of that",
        "# type: ignore # noqa",
    ],
)
def test_these_comments_hide_a_finding_on_their_line(comment: str) -> None:
    assert hidden_lines(f"a = 1\nb = 2  {comment}\nc = 3\n") == [2]


@pytest.mark.parametrize(
    "comment",
    [
        "# modscope: ignore[other-rule]",
        "# modscope: ignore[]",
        "# modscope: ignore[some-rule",
        "# modscope: ignored",
        "# modscope: ignore-files",
        "# ignore[some-rule]",
        "# noqa: E501",
        "# noqa : E501",
        "# noqa:E501,F401",
        "# noqanything",
        "# ruff: noqa: E501",
    ],
)
def test_these_comments_hide_nothing(comment: str) -> None:
    assert hidden_lines(f"b = 2  {comment}\n") == []


@pytest.mark.parametrize(
    "comment", ["# modscope: ignore-file", "# modscope: ignore-file[ALL]", "# modscope: ignore-file[some-rule]"]
)
def test_ignore_file_hides_every_line_wherever_it_stands(comment: str) -> None:
    assert hidden_lines(f"a = 1\nb = 2  {comment}\nc = 3") == [1, 2, 3, 4]


def test_ignore_file_of_another_rule_hides_nothing() -> None:
    assert hidden_lines("# modscope: ignore-file[other-rule]\na = 1\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "a = '# modscope: ignore'\n",
        'a = """\n# modscope: ignore-file\n"""\n',
        "a = f'{b} # noqa'\n",
    ],
)
def test_the_words_in_a_string_are_no_comment(text: str) -> None:
    assert hidden_lines(text) == []


def test_a_comment_on_the_last_line_speaks_for_the_whole_statement() -> None:
    assert hidden_lines("before = 0\na = [\n    1,\n    2,\n]  # modscope: ignore\nafter = 0\n") == [2, 3, 4, 5]


def test_a_comment_inside_a_statement_speaks_for_its_own_line() -> None:
    assert hidden_lines("a = [\n    1,  # modscope: ignore\n    2,\n]\n") == [2]


def test_a_comment_on_a_header_does_not_speak_for_the_body() -> None:
    assert hidden_lines("class A(\n    B,\n):  # modscope: ignore\n    x = 1\n") == [1, 2, 3]


def test_a_comment_after_a_string_of_several_lines_speaks_for_all_of_them() -> None:
    assert hidden_lines('a = f("""\n\n""")  # modscope: ignore\n') == [1, 2, 3]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_python_counts_them(newline: str) -> None:
    text = newline.join(["a = 1\x0c", "b = '\u2028\x1c'", "c = 3  # modscope: ignore", "d = 4"])
    assert [line for line in range(1, 6) if suppressions.read(text).hiding("x", line)] == [3]


def test_of_a_broken_text_the_comments_before_the_break_are_heard() -> None:
    assert hidden_lines("a = 1  # modscope: ignore\nb = (\n")[:1] == [1]


def test_only_comments_of_modscope_are_ours() -> None:
    both = suppressions.read("a = 1  # modscope: ignore\nb = 2  # noqa\n").ignores
    assert [ignore.ours for ignore in both] == [True, False]


def test_the_place_of_a_comment_is_where_its_text_is() -> None:
    text = "\ufeffa = 1\r\nb = 2  # see modscope: # modscope: ignore[x]\r\n"
    (ignore,) = suppressions.read(text).ignores
    assert text[ignore.start : ignore.end] == "# modscope: ignore[x]"


@pytest.mark.parametrize(
    ("text", "unused", "expected"),
    [
        ("a = 1  # modscope: ignore[x]\nb = 2\n", ("x",), "a = 1\nb = 2\n"),
        ("a = 1  # modscope: ignore\r\nb = 2\r\n", (), "a = 1\r\nb = 2\r\n"),
        ("a = 1  # modscope: ignore[x, y]\n", ("x",), "a = 1  # modscope: ignore[y]\n"),
        ("# modscope: ignore-file[x, y]\n", ("y",), "# modscope: ignore-file[x]\n"),
        ("# modscope: ignore-file[x]\na = 1\n", ("x",), "a = 1\n"),
        ("if a:\n    # modscope: ignore[x]\n    b = 2\n", ("x",), "if a:\n    b = 2\n"),
        ("a = 1  # type: ignore  # modscope: ignore[x]\n", ("x",), "a = 1  # type: ignore\n"),
        ("a = 1  # modscope: ignore[x]  # noqa: E501\n", ("x",), "a = 1  # noqa: E501\n"),
        ("a = 1  # modscope: ignore[x] for old checkpoints\n", ("x",), "a = 1  # for old checkpoints\n"),
        ("a = 1  # modscope: ignore[x]", ("x",), "a = 1"),
    ],
)
def test_an_unused_rule_goes_and_the_rest_stays(text: str, unused: tuple[str, ...], expected: str) -> None:
    (ignore,) = suppressions.read(text).ignores[:1]
    start, end, replacement = suppressions.without(text, ignore, unused)
    assert text[:start] + replacement + text[end:] == expected


@pytest.mark.parametrize(
    ("text", "rules", "expected"),
    [
        ("a = 1\nb = 2\n", {2: {"x"}}, "a = 1\nb = 2  # modscope: ignore[x]\n"),
        ("a = 1", {1: {"y", "x"}}, "a = 1  # modscope: ignore[x, y]"),
        ("a = 1 \r\nb\r\n", {1: {"x"}}, "a = 1  # modscope: ignore[x]\r\nb\r\n"),
        ("a = 1  # why\n", {1: {"x"}}, "a = 1  # why  # modscope: ignore[x]\n"),
        ("a = 1  # modscope: ignore[y]\n", {1: {"x"}}, "a = 1  # modscope: ignore[x, y]\n"),
        ("a = [\n    1,\n]\n", {1: {"x"}}, "a = [  # modscope: ignore[x]\n    1,\n]\n"),
        ('a = """\n\n"""\n', {1: {"x"}}, 'a = """\n\n"""  # modscope: ignore[x]\n'),
        ("a = \\\n    1\n", {1: {"x"}}, "a = \\\n    1  # modscope: ignore[x]\n"),
        ("# modscope: ignore-file[y]\n", {1: {"x"}}, "# modscope: ignore-file[y]  # modscope: ignore[x]\n"),
    ],
)
def test_an_added_ignore_stands_where_it_is_heard(text: str, rules: dict[int, set[str]], expected: str) -> None:
    added = suppressions.add(text, {line: frozenset(names) for line, names in rules.items()})
    assert added == expected
    assert ast.dump(ast.parse(added)) == ast.dump(ast.parse(text))


@pytest.mark.parametrize("line", range(1, 9))
def test_an_ignore_added_to_any_line_hides_that_line(line: int) -> None:
    text = 'def f(\n    x,\n):\n    return """\n# text\n""" + (\n        x + \\\n        1)\n'
    added = suppressions.add(text, {line: frozenset({"x"})})
    assert ast.dump(ast.parse(added)) == ast.dump(ast.parse(text))
    assert suppressions.read(added).hiding("x", line)


def test_a_long_text_is_read_in_linear_time() -> None:
    text = "a = [\n" + "    1,  # modscope: ignore[x]\n" * 20_000 + "]  # modscope: ignore[y]\n"
    assert len(suppressions.read(text).ignores) == 20_001
