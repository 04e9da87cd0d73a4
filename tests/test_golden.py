"""Text formats say of every fixture model what they said before; `make golden` rewrites, and the diff is read."""

import pytest

from fixtures import models
from tests.golden import FOLDER, FORMATS, rendered


@pytest.mark.parametrize("name", models.NAMES)
def test_every_format_says_what_it_said(name: str) -> None:
    for path, text in rendered(name):
        assert text == path.read_text(encoding="utf-8"), f"{path.name} differs; `make golden` rewrites it"


def test_no_golden_is_left_of_a_model_that_is_gone() -> None:
    expected = {f"{name}.{format}" for name in models.NAMES for format in FORMATS}
    assert {path.name for path in FOLDER.iterdir()} == expected
