"""The entry point pytest sees. Top level, so that a pytest start imports neither modscope nor torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from modscope.pytest_plugin import Modscope


@pytest.fixture
def modscope() -> Modscope:
    """Look at models in a test: `modscope.trace(model, x)`, `modscope.assert_no_unregistered_modules(model)`, …"""
    from modscope.pytest_plugin import Modscope

    return Modscope()
