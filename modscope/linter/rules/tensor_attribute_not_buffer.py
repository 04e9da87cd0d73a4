"""`self.mask = torch.ones(4, 4)` in `__init__`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from modscope.findings import Severity
from modscope.linter import attributes, cst
from modscope.linter.attributes import is_set
from modscope.linter.kept_tensors import leaves_tensors_behind
from modscope.linter.left_behind import is_left_behind, meets_an_input
from modscope.linter.module import ModuleClass
from modscope.linter.rule import Change, Match, Replace, rule


@rule(fix="unsafe", severity=Severity.WARNING, trigger=leaves_tensors_behind)
def tensor_attribute_not_buffer(module: ModuleClass) -> Iterator[Match]:
    """A tensor kept as a plain attribute stays where it was made when the model moves, and is not saved.

    `model.to(device)` moves parameters and buffers. A constant made in `__init__` remains on the CPU, and `forward`
    fails on a GPU, or the author moves it there at every call.

    Bad:
        class Causal(nn.Module):
            def __init__(self, size):
                super().__init__()
                self.mask = torch.ones(size, size).tril()

            def forward(self, scores):
                return scores * self.mask

    Good:
        class Causal(nn.Module):
            def __init__(self, size):
                super().__init__()
                self.register_buffer("mask", torch.ones(size, size).tril())

            def forward(self, scores):
                return scores * self.mask

    Run time: `Causal(4).to("meta").mask` is still on the CPU: `forward` raises "expected all tensors to be on the
    same device".

    Not reported: single numbers, which mix with tensors of any device; attributes that are set again, moved where
    they are used, read as Python numbers or only used as an index; tensors that are made on a given device; classes
    that say themselves how they are moved (`_apply`, `to`, `cuda`).

    Fix: unsafe. It calls `register_buffer`: the tensor gets a key in `state_dict()`, so that older checkpoints lack it
    (`persistent=False` leaves it out).
    """
    if module.has_method("_apply", "to", "cuda"):
        return
    for name, assigned in _assigned(module).items():
        if _is_set_elsewhere(name, module) or not all(is_left_behind(value, module) for _, value in assigned):
            continue
        if any(meets_an_input(use, module) for use in _reads(name, module)):
            target, value = assigned[0]
            others = [other for _, other in assigned[1:] if not _is_update(other, name, module)]
            mended = None if others else _as_buffer(target, name, value, module)
            yield Match(
                target,
                f"`self.{name}` is no buffer: it stays on the CPU when the model moves, and is not saved",
                changes=(mended,) if mended else (),
                no_fix=None if mended else "there are several assignments, or targets, or an annotation",
            )


def _assigned(module: ModuleClass) -> Mapping[str, list[tuple[cst.BaseExpression, cst.BaseExpression]]]:
    """What `__init__` and the methods that it calls set each attribute to."""
    found: dict[str, list[tuple[cst.BaseExpression, cst.BaseExpression]]] = {}
    for method in module.init:
        for target, value in module.assignments(within=method):
            if (name := module.attribute(target)) is not None:
                found.setdefault(name, []).append((target, value))
    return found


def _is_update(value: cst.BaseExpression, name: str, module: ModuleClass) -> bool:
    """Whether it is computed from the attribute itself: `self.x = self.x.unsqueeze(0)`."""
    return any(module.attribute(each) == name for each in module.nodes(cst.Attribute, within=value))


def _is_set_elsewhere(name: str, module: ModuleClass) -> bool:
    """Whether it is registered, deleted, or set or filled after `__init__`."""
    in_place = (cst.AssignTarget, cst.AnnAssign, cst.Subscript)
    return name in module.registered or any(
        is_set(module, use) and not (module.method_of(use) in module.init and isinstance(module.parent(use), in_place))
        for use in attributes.uses(module, name)
    )


def _reads(name: str, module: ModuleClass) -> list[cst.Attribute]:
    """Where other methods than those of `__init__` read it."""
    return [use for use in attributes.uses(module, name) if module.method_of(use) not in module.init]


def _as_buffer(target: cst.BaseExpression, name: str, value: cst.BaseExpression, module: ModuleClass) -> Change | None:
    """`self.register_buffer(...)` in place of the assignment."""
    line = module.parent(module.parent(target) or target)
    if not (isinstance(line, cst.Assign) and len(line.targets) == 1 and isinstance(target, cst.Attribute)):
        return None
    return Replace(line, (target.value, f'.register_buffer("{name}", ', value, ")"))
