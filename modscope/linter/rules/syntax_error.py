"""A file that Python cannot parse."""

from collections.abc import Iterator

from modscope.linter.rule import Match, rule


@rule()
def syntax_error() -> Iterator[Match]:
    """The file is no Python, so nothing in it was examined.

    It is said whatever rules were selected, for a file that was not read must not look clean. Syntax that only a
    newer Python knows is read too.

    Bad:
        def forward(self, x:
            return x

    Good:
        def forward(self, x):
            return x
    """
    yield from ()
