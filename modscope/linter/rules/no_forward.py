"""A Module with layers and no forward."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from modscope.findings import Severity
from modscope.linter import cst
from modscope.linter.index import FileIndex
from modscope.linter.known import Kind
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule

_CALLED = frozenset({"forward", "__call__", "__getattr__", "__getattribute__"})


@rule(default=False, severity=Severity.ADVICE, trigger=lambda candidate: "forward" not in candidate.facts.methods)
def no_forward(module: ModuleClass) -> Iterator[Match]:
    """A Module without `forward` cannot be called: NotImplementedError.

    Bad:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)

    Good:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)

            def forward(self, x):
                return self.fc(x)

    Run time: `Net()(x)` raises NotImplementedError.

    Not reported: classes with any method that does not serve to set them up, or that something in the file inherits
    from; classes that hold no layers of their own, or inherit from anything but `nn.Module`.
    """
    if list(module.bases) != ["torch.nn.Module"] or _CALLED & module.facts.methods or _has_heirs(module):
        return
    if any(method not in module.init and name != "extra_repr" for name, method in module.methods.items()):
        return
    if module.facts.scope.of_class or "forward" in _class_names(module):
        return
    if any(kind in (Kind.WEIGHTED, Kind.CONTAINER) for kind in module.registered.values()):
        yield Match(module.node.name, f"`{module.name}` holds modules and has no `forward`")


def _has_heirs(module: ModuleClass) -> bool:
    index = module.index
    own = index.resolve(module.facts.name.rpartition(".")[2], module.facts.scope)
    return own is None or own in _bases(index)


@lru_cache(maxsize=1)
def _bases(index: FileIndex) -> frozenset[str | None]:
    """What the classes of a file inherit from."""
    classes = index.facts.classes.values()
    return frozenset(base and index.resolve(base, facts.scope) for facts in classes for base in facts.bases)


def _class_names(module: ModuleClass) -> set[str]:
    """What the class body itself sets: `forward = _forward`."""
    targets = (target for target, _ in module.assignments() if module.method_of(target) is None)
    return {target.value for target in targets if isinstance(target, cst.Name)}
