"""Frozen records whose fields are built when somebody first asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any


class Deferred:
    """A frozen dataclass whose fields may be built on first access, so that watching a model stays cheap."""

    @classmethod
    def deferred(cls, build: Callable[[], dict[str, Any]], **known: Any) -> Any:
        """An instance that has `known` now and gets all other fields from `build()` when one is first asked for."""
        self = object.__new__(cls)
        vars(self).update(known, _build=build)
        return self

    def __getattr__(self, name: str) -> Any:
        build = vars(self).get("_build")
        if build is None or name.startswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        vars(self).update(build())
        vars(self).pop("_build", None)
        return getattr(self, name)

    def __getstate__(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
