"""Rows that were read from a model -> ModuleInfos. Pure: no module and no tensor is here any more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from modscope.data import BufferInfo, Hidden, HookInfo, ModuleInfo, ParameterInfo, Source, SourceKind, TensorSpec
from modscope.data.quick import quick
from modscope.tracer import specs
from modscope.tracer.sources import Seen

MOST_NAMES = 64  # paths kept for one shared module: containers shared in containers have exponentially many

_make_module, _make_parameter, _make_buffer = quick(ModuleInfo), quick(ParameterInfo), quick(BufferInfo)
_make_source = quick(Source)

HOOKS = {
    "_forward_pre_hooks": "forward_pre",
    "_forward_hooks": "forward",
    "_backward_pre_hooks": "full_backward_pre",
    "_backward_hooks": "backward",
    "_state_dict_pre_hooks": "state_dict_pre",
    "_state_dict_hooks": "state_dict",
    "_load_state_dict_pre_hooks": "load_state_dict_pre",
    "_load_state_dict_post_hooks": "load_state_dict_post",
}
UNKNOWN = TensorSpec((), "float32", "cpu", requires_grad=True)  # of a lazy parameter


def hook_infos(own: dict[str, Any]) -> tuple[HookInfo, ...]:
    """The hooks in a module's `__dict__`, but for those that torch's own modules put on themselves."""
    found = []
    for attribute, kind in HOOKS.items():
        for hook in (own.get(attribute) or {}).values():
            function = getattr(hook, "hook", hook) if type(hook).__module__ == "torch.nn.modules.module" else hook
            function = getattr(function, "func", function)  # a partial
            if not str(getattr(function, "__module__", "")).startswith("torch.nn.modules."):
                full = kind == "backward" and own.get("_is_full_backward_hook")
                name = getattr(function, "__qualname__", None) or type(function).__qualname__
                found.append(HookInfo("full_backward" if full else kind, str(name)))
    return tuple(found)


@dataclass
class Rows:
    """What was read, module by module. A module or tensor is its number, in the order they were met."""

    modules: list[tuple[Seen, bool, str, tuple[HookInfo, ...]]] = field(default_factory=list)  # training, extra_repr
    registered: int = 0  # modules from this number on are not
    edges: list[tuple[int, str, int]] = field(default_factory=list)  # holder, name there, module; the first is its path
    roots: set[int] = field(default_factory=set)  # modules that are not registered on their holder
    parameter_names: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)  # module, names there
    parameter_numbers: list[int] = field(default_factory=list)  # tensors, in the order of their names
    buffers: list[tuple[int, str, int, bool]] = field(default_factory=list)  # the same, persistent
    attributes: list[tuple[int, str, int]] = field(default_factory=list)  # module, way to it, tensor
    packed: dict[int, tuple[int, str]] = field(default_factory=dict)  # module, way to it, by id of what torch packed
    hidden: list[tuple[int, str, str, range]] = field(default_factory=list)  # module, way, container, modules found
    loose: list[tuple[int, str, str, int]] = field(default_factory=list)  # module, way, container, hidden parameter
    specs: list[specs.Facts | TensorSpec | None] = field(default_factory=list)  # by number of the tensor; None: lazy

    @cached_property
    def paths(self) -> list[str]:
        """The first path of each module."""
        paths: list[str] = []
        for holder, step, module in self.edges:
            if module == len(paths):
                paths.append(self._join(paths[holder] if holder >= 0 else "", step, module))
        return paths

    @property
    def parameters(self) -> Iterator[tuple[int, str, int]]:
        """Module, name there, tensor."""
        numbers = iter(self.parameter_numbers)
        for module, names in self.parameter_names:
            for name in names:
                yield module, name, next(numbers)

    def path_of_packed(self, key: int) -> str | None:
        """Where a module keeps what torch has packed; None where none does."""
        if key not in self.packed:
            return None
        module, step = self.packed[key]
        return _way(self.paths[module], step)

    @cached_property
    def sources(self) -> list[Source]:
        """What each tensor is, under its first name."""
        return [_make_source(kind, None, name) for kind, name in self._first_names]

    @cached_property
    def _first_names(self) -> list[tuple[SourceKind, str]]:
        """A parameter's name where a tensor is one, else a buffer's, else an attribute's."""
        paths = self.paths
        found: dict[int, tuple[SourceKind, str]] = {}
        for module, name, tensor in self.parameters:
            if tensor not in found:
                found[tensor] = "parameter", _dotted(paths[module], name)
        for module, name, tensor, _ in self.buffers:
            found.setdefault(tensor, ("buffer", _dotted(paths[module], name)))
        for module, step, _, tensor in self.loose:
            found.setdefault(tensor, ("parameter", _way(paths[module], step)))
        for module, step, tensor in self.attributes:
            found.setdefault(tensor, ("attribute", _way(paths[module], step)))
        return [found[tensor] for tensor in range(len(self.specs))]

    @cached_property
    def tensor_specs(self) -> list[TensorSpec]:
        known: dict[specs.Facts, TensorSpec] = {}
        return [_tensor_spec(seen, known) for seen in self.specs]

    @property
    def on_meta(self) -> bool:
        """Whether a tensor is on the meta device, where there are no numbers."""
        return any(spec.device == "meta" for spec in self.tensor_specs)

    def infos(self) -> tuple[ModuleInfo, ...]:
        """The records of all modules, by number."""
        paths, names, children = self.paths, self._names(), self._children()
        parameters, buffers, hidden, tensors = self._parameters(), self._buffers(), self._hidden(), self._tensors()
        classes = {id(seen): seen.classes() for seen in {id(row[0]): row[0] for row in self.modules}.values()}
        return tuple(
            [
                _make_module(
                    path=paths[number],
                    type=seen.name,
                    paths=tuple(names[number]) if number in names else (paths[number],),
                    classes=classes[id(seen)],
                    parameters=tuple(parameters[number]) if number in parameters else (),
                    buffers=tuple(buffers[number]) if number in buffers else (),
                    children=tuple(dict.fromkeys(children[number])) if number in children else (),
                    training=training,
                    extra_repr=text,
                    registered=number < self.registered,
                    hooks=hooks,
                    hidden=tuple(hidden[number]) if number in hidden else (),
                    tensors=tuple(tensors[number]) if number in tensors else (),
                )
                for number, (seen, training, text, hooks) in enumerate(self.modules)
            ]
        )

    def _parameters(self) -> dict[int, list[ParameterInfo]]:
        infos = defaultdict[int, list[ParameterInfo]](list)
        paths, first_names, tensor_specs = self.paths, self._first_names, self.tensor_specs
        for module, name, tensor in self.parameters:
            path, spec, (_, first) = _dotted(paths[module], name), tensor_specs[tensor], first_names[tensor]
            tied_to = None if first == path else first
            infos[module].append(
                _make_parameter(path, spec, spec.requires_grad, tied_to, self.specs[tensor] is not None)
            )
        return infos

    def _buffers(self) -> dict[int, list[BufferInfo]]:
        infos = defaultdict[int, list[BufferInfo]](list)
        for module, name, tensor, persistent in self.buffers:
            path, spec = _dotted(self.paths[module], name), self.tensor_specs[tensor]
            _, first = self._first_names[tensor]
            tied_to = None if first == path else first
            infos[module].append(_make_buffer(path, spec, persistent, tied_to, self.specs[tensor] is not None))
        return infos

    def _tensors(self) -> dict[int, list[tuple[str, TensorSpec]]]:
        tensors = defaultdict[int, list[tuple[str, TensorSpec]]](list)
        for module, step, tensor in self.attributes:
            tensors[module].append((step, self.tensor_specs[tensor]))
        return tensors

    def _hidden(self) -> dict[int, list[Hidden]]:
        """What sits in each module's plain attributes; elements count a hidden module's parameters, each once."""
        tensors = defaultdict[int, set[int]](set)
        for module, _, tensor in self.parameters:
            tensors[module].add(tensor)
        infos = defaultdict[int, list[Hidden]](list)
        for holder, step, container, modules in self.hidden:
            inside = set().union(*(tensors.get(module, ()) for module in modules))
            count = sum(self.tensor_specs[tensor].numel for tensor in inside if self.specs[tensor] is not None)
            kind = self.modules[modules.start][0].name
            infos[holder].append(Hidden(_way(self.paths[holder], step), kind, "module", container, count))
        for holder, step, container, tensor in self.loose:
            count = self.tensor_specs[tensor].numel
            infos[holder].append(Hidden(_way(self.paths[holder], step), "Parameter", "parameter", container, count))
        return infos

    def _names(self) -> dict[int, list[str]]:
        """Every path of the modules that have several, as `named_modules(remove_duplicate=False)` goes."""
        met = 0
        below: dict[int, list[tuple[str, int]]] = {}
        again = []
        for holder, name, module in self.edges:
            if module == met:
                met += 1
            elif holder < self.registered:
                again.append((holder, name, module))
            if holder >= 0:
                below.setdefault(holder, []).append((name, module))
        names: dict[int, list[str]] = {}
        for holder, name, module in again:
            stack = [(_dotted(self.paths[holder], name), module, frozenset((holder,)))]
            while stack:
                path, module, above = stack.pop()
                known = names.setdefault(module, [self.paths[module]])
                if module in above or len(known) == MOST_NAMES:  # a cycle goes on for ever
                    continue
                known.append(path)
                inside = above | {module}
                stack += [(_dotted(path, step), child, inside) for step, child in reversed(below.get(module, ()))]
        return names

    def _children(self) -> dict[int, list[str]]:
        """Paths of what is registered on each module, in the order of registration."""
        children = defaultdict[int, list[str]](list)
        for holder, _, module in self.edges:
            if holder >= 0 and module not in self.roots:
                children[holder].append(self.paths[module])
        return children

    def _join(self, holder: str, step: str, module: int) -> str:
        return _way(holder, step) if module in self.roots else _dotted(holder, step)


def _dotted(holder: str, name: str) -> str:
    return f"{holder}.{name}" if holder else name


def _way(holder: str, step: str) -> str:
    """The path of what is not registered: brackets follow without a dot."""
    return holder + step if step.startswith("[") else _dotted(holder, step)


def _tensor_spec(seen: specs.Facts | TensorSpec | None, known: dict[specs.Facts, TensorSpec]) -> TensorSpec:
    if seen is None or isinstance(seen, TensorSpec):
        return seen or UNKNOWN
    if seen not in known:
        known[seen] = specs.plain_spec(seen)
    return known[seen]
