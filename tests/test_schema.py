"""Traces as JSON, both ways, on hand-made data: no torch here."""

import copy
import json
import math
import pickle

import pytest

import modscope
from modscope.data import (
    Call,
    Constant,
    Gradient,
    ModuleInfo,
    ModuleTree,
    Nested,
    Op,
    ParameterInfo,
    Recorded,
    Run,
    Source,
    Storage,
    TensorRef,
    TensorSpec,
    Trace,
)
from modscope.errors import UnreadableTrace


def small_trace() -> Trace:
    spec = TensorSpec((2, 3), "float32", "cpu", nbytes=24)
    given = TensorRef(0, spec, Source("input", name="args[0]"))
    made = TensorRef(1, spec, Source("op", 0), storage=0)
    weight = ParameterInfo("fc.weight", spec, trainable=True, gradient=Gradient(True, norm=math.nan))
    fc = ModuleInfo("fc", "Linear", ("fc", "head"), parameters=(weight,))
    arguments = Nested("arguments", (given, Nested("dict", (given, Constant("int", "3")), ("a", "b"))), ("", "mask"))
    return Trace(
        tree=ModuleTree((ModuleInfo("", "Net", ("",), children=("fc",)), fc), "real"),
        calls=(Call(0, "", "Net", 0, None, 0, arguments, made),),
        ops=(Op(0, "linear", 0, (given,), (made,), arguments=(("bias", "None"),)),),
        storages=(Storage(0, 24, 0, 0),),
        runs=(Run(0, 0),),
        unregistered=(),
        recorded=Recorded(),
        blind_spots=(),
        not_undone=(),
        origin="real",
        error=None,
        versions=(("torch", "2.13.0"),),
    )


def test_a_trace_comes_back_from_json_as_it_was() -> None:
    text = small_trace().to_json()
    assert Trace.from_json(text).to_json() == text
    assert Trace.from_json(text).calls == small_trace().calls
    assert Trace.from_json(text).ops == small_trace().ops


def test_json_is_standard_json_even_for_not_a_number() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(small_trace().to_json(), parse_constant=refuse)["schema"] == 1


def test_not_a_number_comes_back() -> None:
    gradient = Trace.from_json(small_trace().to_json()).tree["fc"].parameters[0].gradient
    assert gradient is not None
    assert math.isnan(gradient.norm)


def test_a_saved_trace_loads_from_its_file(tmp_path) -> None:
    saved = tmp_path / "trace.json"
    modscope.save(small_trace(), saved)
    assert modscope.load(saved).calls == small_trace().calls


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[1]", "without the"),
        ('{"schema": 1, "kind": ["trace"]}', "without the"),
        ('{"schema": 1}', "without the"),
        ('{"schema": 99, "kind": "trace"}', "schema version 99; this modscope reads version 1"),
        ('{"schema": 1, "kind": "trace"}', "damaged"),
    ],
)
def test_what_is_no_trace_is_said_to_be_none(text: str, complaint: str) -> None:
    with pytest.raises(UnreadableTrace, match=complaint):
        Trace.from_json(text)


@pytest.mark.parametrize(
    "body",
    [
        '{"modules": 3, "origin": "real"}',
        '{"modules": "", "origin": "real"}',
        '{"modules": [], "origin": "real"}',
        '{"modules": [], "origin": "guess"}',
        '{"modules": [], "x": 1}',
        '{"modules": [{"path": "", "type": "Net", "children": ["head"]}], "origin": "real"}',
        "[]",
    ],
)
def test_a_damaged_tree_is_said_to_be_one(body: str) -> None:
    with pytest.raises(UnreadableTrace, match="damaged"):
        ModuleTree.from_json(f'{{"schema": 1, "kind": "tree", "tensors": [], "tree": {body}}}')


@pytest.mark.parametrize(
    ("records", "at", "field", "value"),
    [
        ("calls", 0, "index", 1),
        ("calls", 0, "parent", 0),
        ("calls", 0, "parent", -1),
        ("ops", 0, "index", 1),
        ("ops", 0, "call", 9),
        ("runs", 0, "call", -1),
    ],
)
def test_a_trace_that_refers_to_nothing_is_a_damaged_one(records: str, at: int, field: str, value: int) -> None:
    saved = json.loads(small_trace().to_json())
    saved["trace"][records][at][field] = value
    with pytest.raises(UnreadableTrace, match="a damaged trace: ValueError"):
        Trace.from_json(json.dumps(saved))


def test_a_module_that_is_its_own_child_is_shown_once() -> None:
    body = '{"modules": [{"path": "", "type": "Net", "children": [""]}], "origin": "real"}'
    tree = ModuleTree.from_json(f'{{"schema": 1, "kind": "tree", "tensors": [], "tree": {body}}}')
    assert str(modscope.render(tree, "tree")).count("Net") == 2


def test_a_saved_tree_is_no_trace() -> None:
    with pytest.raises(UnreadableTrace, match="a saved tree where a saved Trace was asked for"):
        Trace.from_json(small_trace().tree.to_json())


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(UnreadableTrace, match=r"cannot read .*nothing\.json"):
        modscope.load(tmp_path / "nothing.json")


def test_records_built_on_first_access_equal_those_built_at_once() -> None:
    whole = small_trace()
    late = Trace.deferred(lambda: {**vars(whole)}, origin="real")
    assert pickle.loads(pickle.dumps(late)).calls == whole.calls
    assert copy.deepcopy(late).ops == whole.ops


def test_an_unknown_path_names_the_closest() -> None:
    with pytest.raises(modscope.ModscopeError, match=r"no module 'haed' in this tree; the closest is 'head'"):
        small_trace().tree["haed"]


def test_a_shared_module_answers_to_every_path_and_counts_once() -> None:
    tree = small_trace().tree
    assert tree["head"] is tree["fc"]
    assert tree.total_params == 6
    assert list(tree) == ["", "fc"]


def test_shapes_flatten_in_order_of_args_then_kwargs() -> None:
    assert small_trace().calls[0].input_shapes == ((2, 3), (2, 3))
