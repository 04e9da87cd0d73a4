"""A file, or a class in it, that could not be examined."""

from collections.abc import Iterator

from modscope.linter.rule import Match, rule


@rule()
def unreadable_file() -> Iterator[Match]:
    """A file, or a class in it, was not examined: it cannot be opened or decoded, is too large, or nests too deeply.

    It is said whatever rules were selected, for what was not read must not look clean. The limits keep a file made to
    break parsers from taking the run with it: 2 MB, 150 levels of nesting, 10 levels in a `case`, 1500 operands.

    Bad:
        class Net(nn.Module):
            def forward(self, x):
                match x:
                    case [[[[[[[[[[[[y]]]]]]]]]]]]:
                        return self.body.forward(y)

    Good:
        class Net(nn.Module):
            def forward(self, x):
                match x:
                    case [[y]]:
                        return y
    """
    yield from ()
