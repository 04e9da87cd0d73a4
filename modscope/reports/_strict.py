"""JSON for readers that refuse half of a surrogate pair, which is what Python makes of an undecodable byte."""

from __future__ import annotations

import json
from typing import Any


def dumps(document: Any) -> str:
    """Pure ASCII; a lone surrogate becomes the text of its escape, `\\udcff`."""
    return json.dumps(_paired(document), indent=2)


def _paired(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {key: _paired(item) for key, item in value.items()}
        case list():
            return [_paired(item) for item in value]
        case _:
            return value
