"""[tool.modscope] in a pyproject.toml, and the command line above it."""

from dataclasses import fields
from pathlib import Path

import pytest

from modscope import config
from modscope.config import Config
from modscope.errors import ModscopeError

RULES = {"direct-forward-call": True, "hard-coded-cuda": True, "factory-without-device": False}


def written(folder: Path, text: str) -> Path:
    file = folder / "pyproject.toml"
    file.write_text(text, encoding="utf-8")
    return file


def read(folder: Path, text: str) -> Config:
    return config.load(written(folder, text))


def message(folder: Path, text: str) -> str:
    with pytest.raises(ModscopeError) as caught:
        read(folder, text)
    return str(caught.value)


def test_every_setting_is_read_into_its_field(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        [tool.modscope]
        exclude = ["gen"]
        extend-exclude = ["third_party/{a,b}"]
        force-exclude = true
        respect-gitignore = false
        [tool.modscope.lint]
        select = ["ALL"]
        extend-select = ["x"]
        ignore = ["y"]
        known-module-bases = ["ours.Base"]
        target-torch = "2.6"
        [tool.modscope.lint.per-file-ignores]
        "tests/*" = ["z"]
        """,
    )
    assert found == Config(
        root=str(tmp_path),
        select=("ALL",),
        extend_select=("x",),
        ignore=("y",),
        per_file_ignores=(("tests/*", ("z",)),),
        exclude=("gen",),
        extend_exclude=("third_party/a", "third_party/b"),
        force_exclude=True,
        respect_gitignore=False,
        known_module_bases=("ours.Base",),
        target_torch=(2, 6),
    )
    assert all(getattr(found, each.name) != each.default for each in fields(Config))  # none is left out above


def test_a_lint_setting_may_stand_in_the_outer_table(tmp_path: Path) -> None:
    assert read(tmp_path, "[tool.modscope]\nselect = ['ALL']").select == ("ALL",)


def test_the_nearest_file_that_speaks_of_modscope_holds(tmp_path: Path) -> None:
    inner = tmp_path / "package" / "sub"
    inner.mkdir(parents=True)
    written(tmp_path, "[tool.modscope]\nignore = ['outer']")
    written(inner, "[tool.other]\n")
    assert config.find(inner) == Config(root=str(tmp_path), ignore=("outer",))
    written(inner, "[tool.modscope]\nignore = ['inner']")
    assert config.find(inner) == Config(root=str(inner), ignore=("inner",))


def test_a_malformed_file_that_does_not_name_modscope_is_passed_over(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    written(tmp_path, "[tool.modscope]\nignore = ['outer']")
    written(inner, "[[[ no TOML")
    assert config.find(inner).ignore == ("outer",)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert config.find(tmp_path) == Config()
    assert ".venv" in Config().exclude


def test_a_config_is_hashable_and_its_repr_tells_two_apart() -> None:
    one, other = Config(), Config(known_module_bases=("a.B",))
    assert hash(one) != hash(other)
    assert repr(one) != repr(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[tool.modscope]\nselekt = []", "no setting tool.modscope.selekt; the nearest is 'select'"),
        ("[tool.modscope.lint]\nfix-it = 1", "no setting tool.modscope.lint.fix-it"),
        (
            "[tool.modscope]\nselect = 'ALL'",
            "tool.modscope.select must be a list of strings, not 'ALL'",
        ),
        ("[tool.modscope.lint]\nignore = [1]", "tool.modscope.lint.ignore must be a list of strings, not [1]"),
        ("[tool.modscope]\nforce-exclude = 'yes'", "tool.modscope.force-exclude must be true or false, not 'yes'"),
        ("[tool.modscope]\ntarget-torch = 2.6", 'tool.modscope.target-torch must be a version in quotes, as "2.6"'),
        ("[tool.modscope]\nper-file-ignores = {a = 'b'}", "must be a table of pattern = [rules], not {'a': 'b'}"),
        ("[tool]\nmodscope = 3", "tool.modscope must be a table, not 3"),
        ("[tool.modscope]\nlint = 3", "tool.modscope.lint must be a table, not 3"),
        ("[tool.modscope]\nselect = []\n[tool.modscope.lint]\nselect = []", "select stands in both"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(tmp_path: Path, text: str, expected: str) -> None:
    found = message(tmp_path, text)
    assert found.startswith(str(tmp_path / "pyproject.toml"))
    assert expected in found


@pytest.mark.parametrize(
    ("text", "line"),
    [("[tool.modscope]\nselect = [\n", 3), ("\n\nselect == 1", 3), ("a = " + "[" * 5000, None)],
)
def test_malformed_toml_is_named_with_file_and_line(tmp_path: Path, text: str, line: int | None) -> None:
    place = f"{tmp_path / 'pyproject.toml'}:" + (f"{line}: not valid TOML" if line else "")
    assert message(tmp_path, text).startswith(place)


def test_bytes_that_are_no_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"[tool.modscope]\nselect = ['\xff']")
    with pytest.raises(ModscopeError, match=r":2: TOML must be UTF-8; byte 0xff is not"):
        config.find(tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModscopeError, match="cannot read the configuration"):
        config.load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Config(), {"direct-forward-call", "hard-coded-cuda"}),
        (Config(select=("ALL",)), set(RULES)),
        (Config(select=()), set()),
        (Config(extend_select=("factory-without-device",)), set(RULES)),
        (Config(extend_select=("ALL",)), set(RULES)),
        (Config(select=("ALL",), ignore=("hard-coded-cuda",)), {"direct-forward-call", "factory-without-device"}),
        (Config(select=("hard-coded-cuda",), ignore=("hard-coded-cuda",)), set()),
        (Config(select=("hard-coded-cuda",), ignore=("ALL",)), {"hard-coded-cuda"}),
        (Config(ignore=("ALL",)), set()),
    ],
)
def test_rules_are_selected_as_ruff_does(chosen: Config, expected: set[str]) -> None:
    assert chosen.selected(RULES) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        Config(select=("direct-forward-cal",)),
        Config(extend_select=("direct-forward-cal",)),
        Config(ignore=("direct-forward-cal",)),
        Config(per_file_ignores=(("tests/*", ("direct-forward-cal",)),)),
    ],
)
def test_an_unknown_rule_is_an_error_that_names_the_nearest(wrong: Config) -> None:
    with pytest.raises(ModscopeError, match="no rule 'direct-forward-cal'; the nearest is 'direct-forward-call'"):
        wrong.selected(RULES)


def test_an_unknown_rule_in_a_file_is_named_with_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, "[tool.modscope.lint]\nignore = ['direct-forward-cal']")
    with pytest.raises(ModscopeError, match=r"pyproject\.toml: ignore: no rule 'direct-forward-cal'"):
        found.selected(RULES)


def test_a_select_above_starts_from_nothing() -> None:
    below = Config(ignore=("hard-coded-cuda",), extend_select=("factory-without-device",))
    assert below.override(select=("hard-coded-cuda",)).selected(RULES) == {"hard-coded-cuda"}


def test_an_ignore_above_takes_from_what_was_selected() -> None:
    assert Config(select=("ALL",)).override(ignore=("hard-coded-cuda",)).selected(RULES) == {
        "direct-forward-call",
        "factory-without-device",
    }


@pytest.mark.parametrize("name", ["hard-coded-cuda", "ALL"])
def test_an_extend_select_above_wins_over_an_ignore_below(name: str) -> None:
    assert "hard-coded-cuda" in Config(ignore=("hard-coded-cuda",)).override(extend_select=(name,)).selected(RULES)


def test_files_are_left_out_above_as_well_as_below() -> None:
    above = Config(extend_exclude=("a",)).override(extend_exclude=("{b,c}",), force_exclude=True)
    assert above == Config(extend_exclude=("a", "b", "c"), force_exclude=True)


def test_the_command_line_lies_above_every_file(tmp_path: Path) -> None:
    written(tmp_path, "[tool.modscope]\nignore = ['hard-coded-cuda']")
    assert config.finder(ignore=("x",))(tmp_path / "sub").ignore == ("hard-coded-cuda", "x")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("tests/*", ("tests/*",)),
        ("**/{tests,docs}/*", ("**/tests/*", "**/docs/*")),
        ("{a,{b,c}}.py", ("a.py", "b.py", "a.py", "c.py")),
        ("open{brace", ("open{brace",)),
    ],
)
def test_alternatives_in_braces_are_spelt_out(pattern: str, expected: tuple[str, ...]) -> None:
    assert set(config.alternatives(pattern)) == set(expected)


def test_a_pattern_of_too_many_alternatives_is_an_error(tmp_path: Path) -> None:
    assert "at most 1000 alternatives" in message(tmp_path, f"[tool.modscope]\nexclude = ['{'{a,b}' * 40}']")
