"""The table of outdated functions, held against the torch that is installed."""

import importlib
import inspect

import pytest

from modscope.linter import lint_source
from modscope.linter.outdated import DEPRECATED, REMOVED


def find(name: str) -> object:
    """What a full name stands for; AttributeError where there is nothing."""
    parts = name.split(".")
    at = next(n for n in range(len(parts) - 1, 0, -1) if importlib.util.find_spec(".".join(parts[:n])))
    found = importlib.import_module(".".join(parts[:at]))
    for part in parts[at:]:
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", REMOVED)
def test_a_removed_function_is_missing_or_only_raises(name: str) -> None:
    try:
        found = find(name)
    except AttributeError:
        return
    assert "raise RuntimeError" in inspect.getsource(found)


@pytest.mark.parametrize("name", DEPRECATED)
def test_a_deprecated_function_is_still_there(name: str) -> None:
    assert callable(find(name))


@pytest.mark.parametrize("name", sorted({each.instead for each in (*REMOVED.values(), *DEPRECATED.values())}))
def test_what_is_to_be_called_instead_exists(name: str) -> None:
    assert callable(find(name))


@pytest.mark.parametrize(
    "asks",
    [
        "OLD = tuple(map(int, torch.__version__.split('.')[:2])) < (1, 8)",
        "from versions import TORCH_GE_1_8",
        "OLD = not hasattr(torch, 'linalg')",
        "try:\n    import torch.fft as fft\nexcept ImportError:\n    fft = None",
        "OLD = version.parse(torch_version) < version.parse('1.8')",
    ],
)
def test_a_file_that_asks_for_the_version_may_call_the_old_function(asks: str) -> None:
    code = "import torch\n{}\ndef eigenvalues(a):\n    return torch.symeig(a)\n"
    assert [finding.rule for finding in lint_source(code.format("")).findings] == ["removed-torch-function"]
    assert not lint_source(code.format(asks)).findings
