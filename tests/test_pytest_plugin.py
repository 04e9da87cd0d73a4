"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import pytest
from torch import nn

from modscope.testing import assert_no_unregistered_modules

MODEL = """
    from torch import nn, ones

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Linear(2, 2)
            self.layers = [nn.Linear(2, 2), nn.Linear(2, 2)]
            self.heads = {"cls": nn.Linear(2, 1)}
            self.gains = [nn.Parameter(ones(2))]
"""


def test_a_run_that_does_not_use_it_loads_neither_modscope_nor_torch(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_heavy_is_loaded():
            assert "_modscope_pytest" in sys.modules
            assert not {"modscope", "torch", "libcst", "networkx"} & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_fixture_gives_the_public_functions_and_the_assertions(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from torch import nn, zeros

        def test_a_sound_model(modscope):
            model = nn.Linear(2, 2)
            modscope.assert_no_unregistered_modules(model)
            assert modscope.trace(model, zeros(1, 2)).calls[0].output_shapes == ((1, 2),)
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_unregistered_modules_fail_a_test_and_are_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        MODEL
        + """
    def test_net(modscope):
        modscope.assert_no_unregistered_modules(Net())
    """
    )
    outcome = pytester.runpytest_subprocess()
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(
        [
            "*Net has 3 unregistered modules with 15 parameters, which parameters(), *",
            "*  layers[[]0]: Linear in a list, 6 parameters; use nn.ModuleList",
            "*  layers[[]1]: Linear in a list, 6 parameters; use nn.ModuleList",
            "*  heads[[]'cls']: Linear in a dict, 3 parameters; use nn.ModuleDict",
        ]
    )
    outcome.stdout.no_fnmatch_line("*modscope/testing.py*")


def test_what_a_model_calls_itself_adds_no_line_to_the_message() -> None:
    model = nn.Module()
    vars(model)["a\n::error::forged"] = [nn.Linear(2, 2)]
    with pytest.raises(AssertionError, match="has 1 unregistered module with 6 parameters") as caught:
        assert_no_unregistered_modules(model)
    assert len(str(caught.value).splitlines()) == 2
