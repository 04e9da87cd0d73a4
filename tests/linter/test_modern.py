"""Syntax of newer Pythons is read by every Python that modscope runs on."""

import ast

import pytest

import modscope
from modscope.config import Config
from modscope.linter.modern import spelt_for_older

NEWER = [
    "class A[T: (int, str) = list[int], *Ts, **P](B[T]): pass\n",
    "async def f[T](x: T) -> T: pass\n",
    "type X[T] = list[T]\n",
    'x = f"{a["b"]!r:>{w}} {{}} {f"{1}"}"\n',
    'x = f"{\n  a  # }"\n}"\n',
    'x = rf"\\{a["b"]}"\n',
    'x = t"{name}"\n',
    "try: pass\nexcept A, b.C: pass\n",
]


@pytest.mark.parametrize("text", NEWER)
def test_every_character_keeps_its_place(text: str) -> None:
    older = spelt_for_older(text)
    ast.parse(older)
    assert [len(line) for line in older.split("\n")] == [len(line) for line in text.split("\n")]


@pytest.mark.parametrize("text", ["type = 3\n", "type(x)[0]\n", 'x = "f\'{"  # f"{\n', '"""class A[T]: f"{"""\n'])
def test_what_is_not_newer_stays(text: str) -> None:
    assert spelt_for_older(text) == text


@pytest.mark.parametrize("text", ['f"{' * 20_000, "class A[" * 20_000, "f'{'''" * 5_000, "except A, " * 5_000])
def test_text_that_never_ends_is_read_once(text: str) -> None:
    assert len(spelt_for_older(text)) == len(text)


@pytest.mark.parametrize("text", NEWER)
def test_a_class_below_newer_syntax_is_examined(text: str) -> None:
    net = (
        "import torch\nclass Net[T](torch.nn.Module):\n def __init__(self):\n  super().__init__()\n"
        '  self.layers = [torch.nn.Linear(1, 1)]  # f"{1}"\n'
    )
    report = modscope.lint_source(text + net, config=Config(select=("unregistered-module-list",)))
    assert [finding.location.line for finding in report] == [text.count("\n") + 5]
