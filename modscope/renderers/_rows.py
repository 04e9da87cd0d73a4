"""Trace or tree -> one row per module, in the order of registration; the tables and trees print these."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from modscope.data import Call, Hidden, ModuleInfo, ModuleTree, Shape, Trace
from modscope.graph import HOLDERS, Comparison, check_depth, compare

LEGEND = {
    "raised": "the forward ended here; modules that were not reached are left out",
    "never called": "registered, but no run of it was seen and nothing read its parameters",
    "not seen": "may have run where nothing could be seen, or the forward never got there",
    "used": "not called, but an op read its parameters",
    "unregistered": "ran, but named_modules() does not know it: its parameters are neither trained nor saved",
    "hidden": "sits in a plain container, where named_modules() and parameters() do not see it; not seen to run",
    "calls": "ran more than once; the parameters are counted once",
    "tied": "the same tensor as another parameter; counted at its first name",
    "shared": "the same module under several names; counted at its first name",
    "frozen": "no parameter of it requires a gradient",
    "opaque": "its inside could not be seen",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """What is remarkable about a row: a word that the legend explains, and the rest."""

    word: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A module at one place in the tree."""

    path: str
    name: str  # its last part; "(root)"
    depth: int
    module: ModuleInfo
    calls: tuple[Call, ...]
    marks: tuple[Mark, ...]
    params: int  # its own, each tensor at its first name only, and those of the rows a depth cut left out below it
    leaf: bool  # no row is below it
    again: bool = False  # a further name of a shared module, shown at its first name


def rows(thing: Trace | ModuleTree, depth: int | None = None) -> list[Row]:
    """The rows down to `depth` (0: the root alone). Raises ModscopeError for a depth that is none."""
    check_depth(depth)
    shown: list[Row] = []
    for row in _Rows(thing).walk():
        if depth is None or row.depth <= depth:
            shown.append(row)
        elif row.params and row.module.registered:
            _absorb(shown, row, depth)
    return [
        row if row.leaf or following is None or following.depth > row.depth else replace(row, leaf=True)
        for row, following in zip(shown, [*shown[1:], None], strict=True)
    ]


def _absorb(shown: list[Row], row: Row, depth: int) -> None:
    """Count a row that is cut off with the last row shown: rows come parents first, so that one is above it."""
    shown[-1] = replace(shown[-1], params=shown[-1].params + row.params)


class _Rows:
    """Walks the tree once, without recursion: trees may be a thousand levels deep."""

    def __init__(self, thing: Trace | ModuleTree) -> None:
        self.trace = thing if isinstance(thing, Trace) else None
        self.tree = thing.tree if isinstance(thing, Trace) else thing
        self.comparison: Comparison | None = None
        self.statuses: Mapping[str, str] = {}
        self.calls: dict[str, list[Call]] = defaultdict(list)
        self.hidden: dict[str, Hidden] = {}
        self.ran: set[str] = set()  # unregistered paths
        self.loose: dict[str, list[ModuleInfo]] = defaultdict(list)  # unregistered modules by their holder
        if self.trace is not None:
            self.statuses = dict(compare(self.trace).statuses)
            for call in self.trace.calls:
                self.calls[call.path].append(call)
            self.ran = {module.path for module in self.trace.unregistered}
            known = self.ran | set(self.tree)
            for module in self.trace.unregistered:
                self.loose[_holder(module.path, known)].append(module)

    def walk(self) -> Iterator[Row]:
        root = self.tree.root
        stack = [(root.path, "(root)", 0, root)]
        walked: set[str] = set()  # a damaged file may name a module among its own children
        while stack:
            path, name, depth, module = stack.pop()
            again = module.registered and (path != module.path or path in walked)
            walked.add(path)
            below = [] if again else list(self._below(module, depth + 1))
            if self._reached(module):
                yield Row(
                    path=path,
                    name=name,
                    depth=depth,
                    module=module,
                    calls=tuple(self.calls[module.path]),
                    marks=(Mark("shared", f"shared: {module.path or '(root)'}"),)
                    if again
                    else tuple(self.marks(module)),
                    params=0 if again else self._params(module),
                    leaf=not below,
                    again=again,
                )
            stack.extend(reversed(below))

    def _below(self, module: ModuleInfo, depth: int) -> Iterator[tuple[str, str, int, ModuleInfo]]:
        # what an unregistered module holds is loose, or registered and shown elsewhere
        for child in (self.tree[path] for path in module.children if module.registered):
            for here in _names_in(self.tree, module, child):
                yield here, here.rpartition(".")[2], depth, child
        for child in (*self.loose[module.path], *self._hidden(module)):
            yield child.path, child.path.removeprefix(module.path).removeprefix("."), depth, child

    def _hidden(self, module: ModuleInfo) -> Iterator[ModuleInfo]:
        """What its plain containers hold and did not run."""
        for hidden in module.hidden:
            if hidden.path not in self.ran:
                self.hidden[hidden.path] = hidden
                yield ModuleInfo(hidden.path, hidden.type, registered=False)

    def _params(self, module: ModuleInfo) -> int:
        return self.hidden[module.path].params if module.path in self.hidden else module.params

    def _reached(self, module: ModuleInfo) -> bool:
        """Whether a table of a forward that raised shows it."""
        if self.trace is None or self.trace.error is None or not module.registered or not module.path:
            return True
        return self.statuses[module.path] not in ("unknown", "never called")

    def marks(self, module: ModuleInfo) -> Iterator[Mark]:
        yield from self._run_marks(module)
        if not module.registered:
            hidden = self.hidden.get(module.path)
            yield Mark("hidden", f"hidden in a {hidden.container}") if hidden else Mark("unregistered", "unregistered")
        for parameter in module.parameters:
            if parameter.tied_to is not None:
                yield Mark("tied", f"tied: {parameter.path.rpartition('.')[2]} is {parameter.tied_to}")
        if module.shared:
            yield Mark("shared", f"shared: also {', '.join(path for path in module.paths if path != module.path)}")
        if module.parameters and not any(parameter.trainable for parameter in module.parameters):
            yield Mark("frozen", "frozen")

    def _run_marks(self, module: ModuleInfo) -> Iterator[Mark]:
        if self.trace is None:
            return
        calls = self.calls[module.path]
        error = self.trace.error
        if error is not None and error.call is not None and self.trace.calls[error.call].path == module.path:
            received = shapes_text(self.trace.calls[error.call].input_shapes)
            yield Mark("raised", f"raised {error.type} on {received or 'no tensor'}")
        if len(calls) > 1:
            yield Mark("calls", f"{len(calls)} calls")
        match self.statuses.get(module.path):
            case "never called":
                yield Mark("never called", "never called")
            case "unknown":
                yield Mark("not seen", "not seen")
            case "used" if module.type not in HOLDERS:
                yield Mark("used", "used without a call")
        if opaque := next((call.opaque for call in calls if call.opaque), None):
            yield Mark("opaque", f"opaque: {opaque}")


def _names_in(tree: ModuleTree, parent: ModuleInfo, child: ModuleInfo) -> Iterable[str]:
    """The paths under which this parent holds this child; nearly always one."""
    if not child.shared:
        return (child.path,)
    prefix = f"{parent.path}." if parent.path else ""
    return [path for path in child.paths if path.rpartition(".")[0] == parent.path] or (prefix + child.path,)


def _holder(path: str, known: set[str]) -> str:
    """The module that holds an unregistered one: the longest beginning of its path that is a path itself."""
    for end in range(len(path) - 1, 0, -1):
        if path[end] in ".[" and path[:end] in known:
            return path[:end]
    return ""


def shapes_text(shapes: Iterable[Shape], limit: int = 3) -> str:
    """`[1, 3], [2]`; past the limit only how many more there are."""
    texts = [str(list(shape)) for shape in shapes]
    more = f", … +{len(texts) - limit}" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def params_text(row: Row) -> str:
    """The parameters counted at this row; in parentheses those that are no parameters of the root."""
    if not row.module.registered:
        return f"({row.params:,})" if row.params else "–"
    return f"{row.params:,}" if row.params else "–"


def output_text(row: Row) -> str:
    """Shapes of what the module returned; where its calls differ, of each."""
    if not row.calls:
        return "–"
    if all(call.outputs is None for call in row.calls):
        return "✗" if any(call.error for call in row.calls) else "–"
    different = dict.fromkeys(shapes_text(call.output_shapes) for call in row.calls if call.outputs is not None)
    return " | ".join(list(different)[:2]) + (" | …" if len(different) > 2 else "") or "–"
