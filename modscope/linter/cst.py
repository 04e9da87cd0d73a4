"""LibCST's nodes, loaded when the first of them is used.

`import libcst` costs 150 ms; reading the rules, or answering from the cache, must not pay it. So rules and engine
say `from modscope.linter import cst` where others say `import libcst as cst`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from libcst import *  # noqa: F403
else:

    def __getattr__(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        import libcst

        value = getattr(libcst, name)
        globals()[name] = value
        return value
