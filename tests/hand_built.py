"""Small traces built by hand: what a renderer is shown need not have run."""

from __future__ import annotations

from dataclasses import replace

from modscope.data import (
    Call,
    Constant,
    ErrorInfo,
    ModuleInfo,
    ModuleTree,
    Nested,
    Note,
    Op,
    ParameterInfo,
    Recorded,
    Run,
    Source,
    TensorRef,
    TensorSpec,
    Trace,
)

SPEC = TensorSpec((2, 3), "float32", "cpu", nbytes=24)


def named(text: str) -> Trace:
    """A run in which everything that has a name bears this one: modules, ops, inputs, messages."""
    inner, loose, unused = f"a{text}", f"a{text}[0]", f"b{text}"
    weight = ParameterInfo(f"{inner}.{text}", SPEC, True)
    tied = ParameterInfo(f"{unused}.{text}", SPEC, True, tied_to=weight.path)
    modules = (
        ModuleInfo("", text, ("",), children=(inner, unused), extra_repr=text),
        ModuleInfo(inner, text, (inner,), parameters=(weight,), extra_repr=text),
        ModuleInfo(unused, text, (unused, f"c{text}"), parameters=(tied,), extra_repr=text),
    )
    given = TensorRef(0, SPEC, Source("input", name=text))
    unknown = TensorRef(1, SPEC, Source("unknown", name=text))
    middle = TensorRef(2, SPEC, Source("op", 0))
    result = TensorRef(3, SPEC, Source("op", 1))
    received = Nested("arguments", (given, Constant("str", text)), ("", text))
    calls = (
        Call(0, "", text, 0, None, 0, received, Nested(text, (result,), (text,))),
        Call(1, inner, text, 0, 0, 1, Nested("arguments", (given,)), middle),
        Call(2, loose, text, 0, 0, 1, Nested("arguments", (middle, unknown)), None, error=text, opaque=text),
    )
    ops = (Op(0, text, 1, (given,), (middle,)), Op(1, text, 0, (middle, unknown), (result,), owner=text))
    return Trace(
        tree=ModuleTree(modules, "real"),
        calls=calls,
        ops=ops,
        storages=(),
        runs=(Run(0, 0),),
        unregistered=(ModuleInfo(loose, text, registered=False),),
        recorded=Recorded(),
        blind_spots=(Note("fused", text),),
        not_undone=(Note("written", text),),
        origin="real",
        error=None,
        versions=(),
    )


def raised(trace: Trace, message: str) -> Trace:
    """The same run, ended by an exception in its last call."""
    return replace(trace, error=ErrorInfo("RuntimeError", message, trace.calls[-1].index))
