"""What a forward warns of names the file and line that it names in a plain run, and is shown as often."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import modscope

Run = Callable[[nn.Module, Tensor], object]


class Warning(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        for level in range(6):
            warnings.warn(f"level {level}", stacklevel=level)
        return x


class Warnings(nn.Module):
    """Of torch's C++ and Python, at several lines, and of the user at several levels."""

    def __init__(self) -> None:
        super().__init__()
        self.children_of_torch = nn.Sequential(nn.Softmax(), nn.Dropout2d())
        self.child = Warning()

    def forward(self, x: Tensor) -> Tensor:
        x[:1].std(0)
        x[:1].std(0), x[:1].var(0)
        F.softmax(x)
        F.softmax(x)
        torch.div(x, x, out=torch.empty(1))
        self.children_of_torch(x)
        self.child(x)
        self.child(x)
        return x


def plainly(model: nn.Module, x: Tensor) -> None:
    model(x)


def recorded(**options: Any) -> Run:
    def run(model: nn.Module, x: Tensor) -> None:
        with modscope.record(model, **options):
            model(x)

    return run


def traced_within(model: nn.Module, x: Tensor) -> None:
    with modscope.record(model):
        modscope.trace(model, x)


def told(run: Run, action: Any) -> list[tuple[str, str, int | None]]:
    """Each warning that is shown; the line is that of the model's caller where it is outside of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.simplefilter(action)
        run(Warnings(), torch.ones(2, 3))
    return [
        (str(each.message), each.filename, each.lineno if each.filename != __file__ or each.lineno < LAST else None)
        for each in caught
    ]


LAST = plainly.__code__.co_firstlineno


@pytest.mark.parametrize("action", ["default", "always", "once", "module"])
@pytest.mark.parametrize(
    "run", [modscope.trace, recorded(), recorded(ops=False), recorded(dispatch=True), traced_within]
)
def test_warnings_are_those_of_a_plain_run(run: Run, action: str) -> None:
    plain = told(plainly, action)
    assert len({line for _, file, line in plain if file == __file__}) > 5
    assert told(run, action) == plain


def test_a_filter_of_the_users_module_is_heeded() -> None:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.filterwarnings("error", module=__name__)
        with pytest.raises(UserWarning, match="std"):
            modscope.trace(Warnings(), torch.ones(2, 3))


def test_the_functions_of_the_module_are_put_back() -> None:
    before = warnings.warn, warnings._showwarnmsg  # type: ignore[attr-defined]
    modscope.trace(nn.Linear(2, 2), torch.ones(2))
    assert (warnings.warn, warnings._showwarnmsg) == before  # type: ignore[attr-defined]
