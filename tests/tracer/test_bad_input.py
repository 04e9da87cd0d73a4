"""What is said of inputs and models that do not go together, and of a forward that raised."""

from __future__ import annotations

import functools
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import modscope


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor, mask: Tensor, scale: float = 1.0) -> Tensor:
        hidden = self.body(x) * mask
        return self.head(hidden) * scale


class Circle(nn.Module):
    """Registered below itself, and called so."""

    def __init__(self, runs: bool) -> None:
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.again = nn.Sequential()
        self.again.add_module("0", self)
        self.runs = runs

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.body(x)) if self.runs else self.body(x)


x = torch.zeros(3, 4)


@pytest.mark.parametrize("act", [modscope.inspect, modscope.trace, modscope.record, modscope.summary])
def test_a_class_and_what_is_no_module_are_refused(act: Any) -> None:
    with pytest.raises(modscope.ModscopeError, match=r"Tagger is a class; pass an instance: Tagger\(...\)"):
        act(Tagger)
    with pytest.raises(modscope.ModscopeError, match=r"is of type list; a model is an instance of torch.nn.Module"):
        act([])
    with pytest.raises(modscope.ModscopeError, match=r"is the class int; a model is an instance of torch.nn.Module"):
        act(int)


def test_inputs_that_are_missing_are_named() -> None:
    with pytest.raises(
        modscope.ModscopeError, match=r"Tagger\.forward\(x: .*needs inputs .*not given: mask$"
    ) as caught:
        modscope.trace(Tagger(), x)
    assert isinstance(caught.value, TypeError)
    assert "missing 1 required positional argument: 'mask'" in str(caught.value.__cause__)
    assert [call.path for call in modscope.partial_trace(caught.value).calls] == [""]


def test_inputs_that_a_decorated_forward_lacks_are_named() -> None:
    def decorated(forward: Any) -> Any:
        @functools.wraps(forward)
        def outer(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
            return forward(self, *args, **kwargs)

        return outer

    class Decorated(Tagger):
        forward = decorated(Tagger.forward)

    with pytest.raises(modscope.ModscopeError, match=r"Decorated\.forward\(x: .*needs inputs .*not given: mask$"):
        modscope.trace(Decorated(), x)


def test_inputs_that_the_forward_does_not_know_are_named() -> None:
    with pytest.raises(modscope.ModscopeError, match="does not take these inputs: got an unexpected keyword"):
        modscope.trace(Tagger(), x, mask=x, weight=1)


def test_an_input_under_another_name_is_told_with_the_one_that_is_lacking() -> None:
    with pytest.raises(modscope.ModscopeError, match=r"it was not given: mask; it does not know masks$"):
        modscope.trace(Tagger(), x, masks=x)


def test_a_type_error_in_the_forward_is_the_users_own() -> None:
    class Wrong(Tagger):
        def forward(self, x: Tensor) -> Any:  # type: ignore[override]
            return self.body()

    with pytest.raises(TypeError) as caught:
        modscope.trace(Wrong(), x)
    assert not isinstance(caught.value, modscope.ModscopeError)


@pytest.mark.parametrize(
    ("model", "given", "expected"),
    [
        (nn.Linear(4, 4), x.double(), "the input args[0] is of dtype float64, the parameters are float32"),
        (nn.Linear(4, 4).double(), x, "the input args[0] is of dtype float32, the parameters are float64"),
        (nn.Linear(4, 4), x.to("meta"), "the input args[0] is on the device meta, the parameters are cpu"),
        (
            nn.Linear(4, 4, device="meta"),
            x,
            "is on the device cpu, the parameters are meta: trace inside modscope.fake()",
        ),
    ],
)
def test_inputs_on_another_device_or_of_another_dtype_are_said_and_not_moved(
    model: nn.Module, given: Tensor, expected: str
) -> None:
    with pytest.raises(RuntimeError) as plain:
        model(given)
    with pytest.raises(RuntimeError) as caught:
        modscope.trace(model, given)
    assert type(caught.value) is type(plain.value)
    assert str(caught.value) == str(plain.value)
    assert expected in caught.value.__notes__[0]
    trace = modscope.partial_trace(caught.value)
    assert trace.error is not None
    assert expected in trace.error.hints[0]
    assert expected in str(modscope.summary(trace))


def test_other_errors_get_no_such_hint() -> None:
    with pytest.raises(RuntimeError) as caught:
        modscope.trace(nn.Linear(4, 4), torch.zeros(3, 5))
    assert not hasattr(caught.value, "__notes__")


def test_a_tree_with_a_circle_is_inspected_and_traced() -> None:
    assert modscope.inspect(Circle(False)).total_params == 20
    assert len(modscope.trace(Circle(False), x).calls) == 2


def test_calls_in_a_circle_end_in_the_users_recursion_error_and_are_named() -> None:
    limit = sys.getrecursionlimit()
    with pytest.raises(RecursionError) as caught:
        modscope.trace(Circle(True), x)
    trace = modscope.partial_trace(caught.value)
    assert type(caught.value) is RecursionError
    assert trace.error is not None
    assert trace.error.hints == ("the calls go in a circle: (root) > again > (root)",)
    assert "the calls go in a circle" in str(modscope.summary(trace))
    assert sys.getrecursionlimit() == limit


def test_a_failed_forward_tells_its_line_its_call_and_what_was_run_before() -> None:
    line = Tagger.forward.__code__.co_firstlineno + 2
    model = Tagger()
    model.head = nn.Linear(5, 2)
    with pytest.raises(RuntimeError, match="cannot be multiplied") as caught:
        modscope.trace(model, x, x)
    trace = modscope.partial_trace(caught.value)
    assert trace.error is not None
    assert trace.error.location is not None
    assert (trace.error.location.file, trace.error.location.line) == (__file__, line)
    assert [(call.path, call.error) for call in trace.calls] == [
        ("", "RuntimeError"),
        ("body", None),
        ("head", "RuntimeError"),
    ]
    table = str(modscope.summary(trace))
    assert "raised RuntimeError on [3, 4]" in table
    assert f"raised in head (Linear, got [3, 4]): RuntimeError: {caught.value}" in table
    assert f"  at test_bad_input.py:{line}" in table


def test_the_call_that_failed_is_the_one_that_the_exception_left() -> None:
    class Catches(Tagger):
        def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
            try:
                self.head(x[:, :1])
            except RuntimeError:
                raise ValueError("no way") from None
            return x

    with pytest.raises(ValueError, match="no way") as caught:
        modscope.trace(Catches(), x)
    trace = modscope.partial_trace(caught.value)
    assert trace.error is not None
    assert trace.error.call == 0


def test_a_failure_without_code_of_the_users_is_at_the_line_that_started_it() -> None:
    with pytest.raises(RuntimeError) as caught:
        modscope.trace(nn.Sequential(nn.Linear(4, 4)), torch.zeros(3, 5))
    error = modscope.partial_trace(caught.value).error
    assert error is not None
    assert error.location is not None
    assert error.location.file == __file__


def test_a_trace_is_not_there_before_the_block_has_ended() -> None:
    with modscope.record(nn.Linear(4, 4)) as recorder, pytest.raises(modscope.ModscopeError, match="after the block"):
        _ = recorder.trace
    assert recorder.trace.calls == ()


def test_a_recorder_records_once() -> None:
    with modscope.record(nn.Linear(4, 4)) as recorder:
        pass
    with pytest.raises(modscope.ModscopeError, match="has recorded already"), recorder:
        pass


def test_an_exception_that_left_no_trace_is_told_so() -> None:
    with pytest.raises(modscope.ModscopeError, match="this ValueError left no traced forward"):
        modscope.partial_trace(ValueError("mine"))


def test_an_optimizer_by_its_name_is_told_so() -> None:
    with pytest.raises(modscope.ModscopeError, match=r"of type str; pass a torch\.optim\.Optimizer"):
        modscope.record(nn.Linear(4, 4), optimizer="adam")  # type: ignore[arg-type]


def test_what_is_no_exception_left_no_trace() -> None:
    with pytest.raises(modscope.ModscopeError, match="of type str; pass the exception that was caught"):
        modscope.partial_trace("mine")  # type: ignore[arg-type]


def test_a_truth_value_is_no_size() -> None:
    with pytest.raises(modscope.ModscopeError, match=r"input_size holds \(True, 8\)"):
        modscope.summary(nn.Linear(8, 2), input_size=(True, 8))
