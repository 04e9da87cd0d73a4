"""What the fixture `modscope` is. `_modscope_pytest` loads this file when a test asks for the fixture."""

from __future__ import annotations

from typing import Any

import modscope
from modscope import testing


class Modscope:
    """The public functions of `modscope` and the assertions of `modscope.testing` under one name."""

    def __getattr__(self, name: str) -> Any:
        return getattr(testing if name in testing.__all__ else modscope, name)

    def __dir__(self) -> list[str]:
        return sorted({*modscope.__all__, *testing.__all__})
