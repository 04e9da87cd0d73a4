"""The public functions: take what people have, call the rooms, dispatch by type."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modscope import atomic
from modscope.data import ModuleTree, Trace
from modscope.errors import MissingExtra, ModscopeError
from modscope.findings import Report

if TYPE_CHECKING:
    import networkx
    from torch import nn

    from modscope.config import Config
    from modscope.graph import Comparison
    from modscope.renderers.summary import Summary
    from modscope.tracer import Recorder


# ---- looking at models: these need torch


def inspect(model: nn.Module) -> ModuleTree:
    """What is registered on a model: modules, parameters, buffers, hooks, ties. Nothing is run.

    Raises ModscopeError for anything that is no module instance.
    """
    _need("inspect()", "torch")
    from modscope import tracer

    return tracer.inspect(model)


def trace(model: nn.Module, /, *args: Any, **kwargs: Any) -> Trace:
    """Run `model(*args, **kwargs)` once, in the caller's context, and return all that happened.

    Afterwards RNG, buffers, gradients, flags, hooks and modes are as before the call; what could not be undone
    is named in `trace.not_undone`. An exception of the forward passes through unchanged, with a note where inputs and
    parameters differ in device or dtype; `partial_trace(error)` then gives what was seen until there. Inputs that the
    forward does not take are a ModscopeError that is a TypeError too.
    """
    _need("trace()", "torch")
    from modscope import tracer

    return tracer.trace(model, *args, **kwargs)


def record(model: nn.Module, **options: Any) -> AbstractContextManager[Recorder]:
    """Record whatever runs inside the block: several forwards, a training step. Your effects stay.

    Options: `ops` (default True; False leaves torch's fused paths on), `backward` (gradients of calls and parameters),
    `costs`, `values` (range and digest of parameters and buffers at the start), `dispatch` (what runs below Python:
    TorchScript, C++, `torch.func`), `optimizer` (which parameters it holds). `recorder.trace` is there after the block.
    """
    _need("record()", "torch")
    from modscope import tracer

    return tracer.record(model, **options)


def fake() -> AbstractContextManager[Any]:
    """Build and run models without allocating their tensors; traces made inside say `origin="fake"`."""
    _need("fake()", "torch")
    from modscope import tracer

    return tracer.fake()


def partial_trace(error: BaseException) -> Trace:
    """What was seen before the forward raised `error`. Raises ModscopeError when it left no traced forward."""
    _need("partial_trace()", "torch")
    from modscope import tracer

    return tracer.partial_trace(error)


# ---- reading traces: these do not


def summary(
    thing: nn.Module | Trace | ModuleTree,
    /,
    *args: Any,
    input_size: Iterable[Any] | None = None,
    inputs: Mapping[str, Any] | None = None,
    depth: int | None = None,
    columns: Iterable[str] | None = None,
    width: int | None = None,
    **kwargs: Any,
) -> Summary:
    """A table: text when printed, HTML in a notebook.

    `thing` is a trace, a tree, or a model. With `*args` and `**kwargs`, `inputs={"ids": ids}` or
    `input_size=(1, 3, 224, 224)` (one shape or a list of shapes, filled with normal noise) the model is traced
    with costs; without any of them its tree is shown.
    """
    from modscope.renderers.summary import Summary

    chosen = (columns,) if isinstance(columns, str) else None if columns is None else tuple(columns)
    if isinstance(thing, Trace | ModuleTree):
        if args or kwargs or input_size is not None or inputs is not None:
            raise ModscopeError(f"summary() of a {type(thing).__name__} takes no inputs: it has run already")
        return Summary(thing, depth, chosen, width)
    if inputs is not None and not isinstance(inputs, Mapping):
        raise ModscopeError(
            f"inputs is a {type(inputs).__name__}; it names the forward's arguments, such as inputs={{'ids': ids}}. "
            "Inputs without names follow the model: summary(model, x)"
        )
    _need("summary() of a model", "torch")
    from modscope import tracer

    if input_size is not None:
        args = (*args, *tracer.inputs_of_size(thing, input_size))
    kwargs = {**(inputs or {}), **kwargs}
    if not args and not kwargs:
        return Summary(tracer.inspect(thing), depth, chosen, width)
    return Summary(tracer.trace_with_costs(thing, args, kwargs), depth, chosen, width)


def module_graph(thing: Trace | ModuleTree) -> networkx.DiGraph:
    """The registered tree as a networkx DiGraph: one node per module, edges from parent to child."""
    _expect("module_graph()", thing, Trace, ModuleTree)
    _need("module_graph()", "render", "networkx")
    from modscope import graph

    return graph.module_graph(thing)


def dataflow(
    trace: Trace, *, level: str = "module", depth: int | None = None, parameters: bool = False
) -> networkx.DiGraph:
    """What feeds what, as a networkx DiGraph of module calls (`level="module"`) or of ops (`level="op"`).

    `depth` merges what ran deeper into the call at that depth; `parameters` draws parameters and buffers as sources.
    Nodes and edges are described at `modscope.graph.dataflow`.
    """
    _expect("dataflow()", trace, Trace)
    _need("dataflow()", "render", "networkx")
    from modscope import graph

    return graph.dataflow(trace, level, depth, parameters=parameters)


def compare(trace: Trace) -> Comparison:
    """The tree against the run: never called, not registered, called more than once, called out of order.

    Needs neither torch nor networkx.
    """
    _expect("compare()", trace, Trace)
    from modscope import graph

    return graph.compare(trace)


def render(thing: Any, format: str, **options: Any) -> str | bytes:
    """A Trace, ModuleTree or Comparison by any renderer's name, a Report by any report format's."""
    if isinstance(thing, Report):
        from modscope import reports

        return reports.render(thing, format, **options)
    from modscope import renderers

    return renderers.render(thing, format, **options)


def save(thing: Any, path: str | os.PathLike[str], format: str | None = None, **options: Any) -> None:
    """Render into a file, whole or not at all; the format is the file's ending unless given."""
    target = Path(path)
    ending = target.suffix.removeprefix(".").lower()
    if not (format or ending):
        raise ModscopeError(f"{str(path)!r} has no ending that says in which format; 'model.svg' has one")
    rendered = render(thing, format or ending, **options)
    atomic.write(target, rendered if isinstance(rendered, bytes) else rendered.encode())


def load(path: str | os.PathLike[str]) -> Trace | ModuleTree:
    """A trace or tree saved as JSON; torch is not needed. Raises UnreadableTrace."""
    from modscope import schema
    from modscope.errors import UnreadableTrace

    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableTrace(f"cannot read {str(path)!r}: {error}") from None
    try:
        return schema.load(text)
    except UnreadableTrace as error:
        raise UnreadableTrace(f"{str(path)!r} is {error}") from None


# ---- reading source


def lint(paths: Iterable[str | os.PathLike[str]] | str, config: Config | None = None, **options: Any) -> Report:
    """Findings in Python files and folders, read and never imported."""
    from modscope import linter

    return linter.lint([paths] if isinstance(paths, str | os.PathLike) else list(paths), config, **options)


def lint_source(text: str, *, filename: str = "<text>", config: Config | None = None) -> Report:
    """Findings in one source text."""
    from modscope import linter

    return linter.lint_source(text, filename=filename, config=config)


def _expect(wish: str, thing: object, *kinds: type) -> None:
    if not isinstance(thing, kinds):
        possible = " or ".join(kind.__name__ for kind in kinds)
        raise ModscopeError(
            f"{wish} reads a {possible}, not a {type(thing).__name__}; modscope.trace(model, …) makes one"
        )


def _need(wish: str, extra: str, *packages: str) -> None:
    """One line with the exact pip command, where a part was not installed."""
    for package in packages or (extra,):
        if find_spec(package) is None:
            raise MissingExtra(wish, extra, package)
