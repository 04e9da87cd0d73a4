"""`super(Other, self).__init__()`."""

from __future__ import annotations

from collections.abc import Iterator

from modscope.linter import cst
from modscope.linter.facts import ClassFacts
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Match, rule


@rule(fix="safe", trigger=r"super\(\w")
def super_wrong_class(module: ModuleClass) -> Iterator[Match]:
    """`super(Other, self)` with a class that this one does not inherit from raises TypeError.

    The first argument must be the class in which it stands; a copied class often keeps the old name.

    Bad:
        class Encoder(nn.Module):
            def __init__(self):
                super().__init__()


        class Decoder(nn.Module):
            def __init__(self):
                super(Encoder, self).__init__()
                self.fc = nn.Linear(4, 4)

    Good:
        class Encoder(nn.Module):
            def __init__(self):
                super().__init__()


        class Decoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)

    Run time: `Decoder()` raises "super(type, obj): obj must be an instance or subtype of type".

    Not reported: base classes, which skip a step on purpose, and names that do not lead to a class of the project.

    Fix: safe. It leaves the arguments out.
    """
    own = f"{module.index.facts.module}.{module.name}"
    for call in module.nodes(cst.Call):
        match call:
            case cst.Call(func=cst.Name("super"), args=[cst.Arg(value=named), cst.Arg(value=instance)]) if (
                module.is_self(instance) and module.name_of(named) not in (None, own)
            ):
                found = module.index.find(module.name_of(named) or "")
                if isinstance(found.what, ClassFacts) and not _inherits(module, found.what):
                    yield Match(
                        call,
                        f"`{module.name}` does not inherit from `{module.code(named)}`: TypeError",
                        replacement="super()",
                    )


def _inherits(module: ModuleClass, other: ClassFacts) -> bool:
    return any(facts is other for facts in (module.facts, *(each for _, each in module.index.ancestors(module.facts))))
