"""The tricky modules: every public function of a file in `modules/` builds one. A new one is a function there."""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

import numpy
import torch
from torch import nn

from tests.residue import modules

Build = Callable[[], tuple[Any, ...]]


class Case(NamedTuple):
    """A model and what it is called with."""

    model: nn.Module
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012


def build(function: Build) -> Case:
    """A fresh one; two built in a row are twins, bit for bit."""
    seed()
    return Case(*function())


def seed() -> None:
    """The global generators begin anew."""
    torch.manual_seed(7)
    random.seed(7)
    numpy.random.seed(7)


def walk() -> dict[str, Build]:
    """All of them, by family and name."""
    found = {}
    for info in pkgutil.iter_modules(modules.__path__):
        family = importlib.import_module(f"{modules.__name__}.{info.name}")
        for name, value in vars(family).items():
            if isinstance(value, FunctionType) and value.__module__ == family.__name__ and not name.startswith("_"):
                found[f"{info.name}.{name}"] = value
    return found
