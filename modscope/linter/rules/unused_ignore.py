"""`# modscope: ignore[...]` where there is nothing to ignore."""

from collections.abc import Iterator

from modscope.linter.rule import Match, rule


@rule(fix="safe")
def unused_ignore() -> Iterator[Match]:
    """A comment that ignores nothing will hide the next mistake on its line.

    It was left behind when the mistake was mended, or names a rule that does not exist. Rules that were not run are
    not counted as unused.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Linear(4, 4)  # modscope: ignore[direct-forward-calls]

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Linear(4, 4)

    Fix: safe. The comment is removed, or the name in it; what else the comment says stays.
    """
    yield from ()
