"""The names users type."""

import pkgutil

import pytest

import modscope


@pytest.mark.parametrize("name", modscope.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(modscope, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'trase'"):
        modscope.trase  # noqa: B018


def test_no_submodule_bears_the_name_of_a_public_function() -> None:
    submodules = {module.name for module in pkgutil.iter_modules(modscope.__path__)}
    assert submodules.isdisjoint(modscope.__all__)
