"""Every fixture model through every room: one body for all, models and renderers found by walking."""

import pytest

import modscope
from fixtures import models
from modscope import renderers

each_model = pytest.mark.parametrize("name", models.NAMES)


@each_model
def test_the_tree_counts_what_torch_counts(name: str) -> None:
    model, _, _ = models.build(name)
    tree = modscope.inspect(model)
    assert tree.total_params == sum(parameter.numel() for parameter in model.parameters())
    assert tree.total_buffers == sum(buffer.numel() for buffer in model.buffers())
    assert list(tree) == [path for path, _ in model.named_modules()]


@each_model
def test_the_trace_has_the_tree_that_inspect_gives(name: str) -> None:
    model, _, _ = models.build(name)
    assert models.trace(name).tree == modscope.inspect(model)


@each_model
def test_trace_and_tree_come_back_from_json_equal(name: str) -> None:
    trace = models.trace(name)
    assert modscope.Trace.from_json(trace.to_json()) == trace
    assert modscope.ModuleTree.from_json(trace.tree.to_json()) == trace.tree


@each_model
@pytest.mark.parametrize("format", renderers.formats())
def test_every_renderer_shows_it(name: str, format: str) -> None:
    trace = models.trace(name)
    shown = modscope.render(trace, format)
    assert trace.tree.root.type in (shown if isinstance(shown, str) else shown.decode())


@each_model
def test_every_call_that_ran_no_other_is_in_the_dataflow(name: str) -> None:
    trace = models.trace(name)
    around_others = {call.parent for call in trace.calls}
    innermost = [call.path for call in trace.calls if call.index not in around_others]
    drawn = [facts["path"] for _, facts in modscope.dataflow(trace).nodes(data=True) if facts["kind"] == "call"]
    assert sorted(drawn) == sorted(innermost)


@each_model
def test_every_unregistered_module_is_in_the_comparison(name: str) -> None:
    trace = models.trace(name)
    compared = modscope.compare(trace)
    assert set(compared.unregistered) == {module.path for module in trace.unregistered}
