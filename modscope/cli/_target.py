"""TARGET, the argument of every command on models: finding it, importing it, building and running it."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from modscope import api
from modscope.cli._inputs import InputSpec, make_inputs
from modscope.data import ModuleTree, Trace
from modscope.errors import MissingExtra, ModscopeError
from modscope.text import visible

CHECKPOINTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
TARGETS = (
    "A target is package.module:attr or path/file.py:attr (a module, a Module class, or a function returning a module, "
    "(module, args) or (module, args, kwargs)), a saved trace.json, or a checkpoint (.pt, .safetensors)."
)
SHOWN = {
    "fake": "a run without numbers, as with --fake",
    "static": "what is registered, as with --tree: nothing was run to its end",
}

Look = Callable[[], Trace | ModuleTree]


def on_target(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument TARGET and the options that say how to run it.

    The command's own function gets, first, a function that does it and returns the Trace, or the ModuleTree where
    nothing was run: what is wrong with other options can be said before a long run.
    """

    @click.argument("target")
    @click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="[NAME=]SHAPE[:DTYPE]",
        help="An input of the forward, such as 1x3x224x224 or ids=1x16:int64, once per tensor: normal noise (seed 0), "
        "zeros for integers and bool. Takes the place of inputs that TARGET brings.",
    )
    @click.option("--tree", "tree_only", is_flag=True, help="Only what is registered; run nothing.")
    @click.option("--fake", is_flag=True, help="Build and run without allocating tensors.")
    @click.option("--verbose", is_flag=True, help="Say what is imported and run.")
    @functools.wraps(command)
    def wrapped(
        target: str, inputs: tuple[str, ...], tree_only: bool, fake: bool, verbose: bool, **options: Any
    ) -> None:
        say = (lambda line: click.echo(visible(line), err=True)) if verbose else (lambda line: None)
        specs = [InputSpec.parse(text) for text in inputs]
        command(lambda: _look(target, specs, tree_only, fake, say), **options)

    wrapped.__doc__ = f"{command.__doc__}\n\n{TARGETS}"
    return wrapped


def _look(
    target: str, specs: Sequence[InputSpec], tree_only: bool, fake: bool, say: Callable[[str], None]
) -> Trace | ModuleTree:
    if Path(target).suffix in (".json", *CHECKPOINTS):
        if specs or fake:
            raise ModscopeError(f"{target!r} is a saved file and is not run: it takes neither --input nor --fake")
        saved = _load(target)
        return saved.tree if tree_only and isinstance(saved, Trace) else saved
    with _torch_missing_is_said(), _logs_of_fakes_off():
        try:
            return _build_and_run(target, specs, tree_only, fake, say)
        except ModscopeError as error:
            if fake or not _lacks_memory(error.__cause__):
                raise
        reason = "to build it for real needs more memory than there is"
        seen = _build_and_run(target, specs, tree_only, True, say)
        _explain_fallback([reason], seen.origin)
        return seen


@contextmanager
def _logs_of_fakes_off() -> Iterator[None]:
    """Without what torch logs, traceback and all, of an exception that is told of anyway."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _build_and_run(
    target: str, specs: Sequence[InputSpec], tree_only: bool, fake: bool, say: Callable[[str], None]
) -> Trace | ModuleTree:
    with api.fake() if fake else nullcontext():
        model, args, kwargs = _build(target, say)
        if tree_only:
            return api.inspect(model)
        if specs:
            args, kwargs = make_inputs(specs, model)
        say(f"running {type(model).__name__} once")
        return _run(model, args, kwargs, fake)


def _lacks_memory(error: BaseException | None) -> bool:
    from modscope import tracer

    return error is not None and tracer.no_memory(error)


def _load(path: str) -> Trace | ModuleTree:
    if path.endswith(".json"):
        return api.load(path)
    with _torch_missing_is_said():
        from modscope.tracer.checkpoints import read_checkpoint

        return read_checkpoint(path)


def _build(target: str, say: Callable[[str], None]) -> tuple[Any, Sequence[Any], dict[str, Any]]:
    """The module, its args and its kwargs."""
    where, colon, attribute = target.rpartition(":")
    if not (where and colon and attribute):
        raise ModscopeError(f"{target!r} is no target. {TARGETS}")
    with _users_errors(f"cannot import {where!r}"):
        module = _import_file(Path(where)) if where.endswith(".py") else _import_module(where)
    say(f"imported {module.__name__} from {module.__file__}")
    thing: Any = module
    for name in attribute.split("."):
        if not hasattr(thing, name):
            closest = get_close_matches(name, (each for each in dir(thing) if not each.startswith("_")), 5, 0)
            raise ModscopeError(f"{where!r} has no {attribute!r}; the closest are {', '.join(closest) or 'none'}")
        thing = getattr(thing, name)
    if _is_module_class(thing) or (callable(thing) and not _is_module(thing)):
        _check_needs_no_argument(thing, target)
        with _users_errors(f"{target!r} was called and raised"):
            thing = thing()
    match thing:
        case (model, list() | tuple() as args, dict() as kwargs) if _is_module(model):
            return model, args, kwargs
        case (model, list() | tuple() as args) if _is_module(model):
            return model, args, {}
        case model if _is_module(model):
            return model, (), {}
    raise ModscopeError(f"{target!r} is of type {type(thing).__name__}, from which no module can be had. {TARGETS}")


def _import_module(name: str) -> ModuleType:
    _search_first(os.getcwd())
    return import_module(name)


def _import_file(path: Path) -> ModuleType:
    """The file as the module it is in its package, or, outside of packages, as Python would run it as a script."""
    path = path.resolve(strict=True)
    package: list[str] = []
    folder = path.parent
    while (folder / "__init__.py").is_file():
        package.insert(0, folder.name)
        folder = folder.parent
    _search_first(os.getcwd())
    _search_first(str(folder))
    if package:
        return import_module(".".join([*package, *([] if path.stem == "__init__" else [path.stem])]))
    name = path.stem
    while name in sys.modules:  # a file called like a module that is loaded already, such as inspect.py
        name += "_"
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _search_first(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _check_needs_no_argument(function: Callable[..., Any], target: str) -> None:
    from modscope.tracer.inputs import missing

    try:
        signature = inspect.signature(function)
    except ValueError:
        return  # built in: calling it will tell
    if needed := missing(signature, (), {}):
        raise ModscopeError(
            f"{target!r} needs arguments: {needed}. Name a function without arguments that returns the "
            "module it makes, or (module, args) with the inputs of its forward."
        )


def _run(model: Any, args: Sequence[Any], kwargs: dict[str, Any], fake: bool) -> Trace | ModuleTree:
    """The trace with costs, or the most that can be seen of the model here, and why it is no more.

    Of a forward that raises, the summary up to there is printed and the rest is an error.
    """
    from modscope import tracer

    try:
        if fake:
            return tracer.trace_with_costs(model, tuple(args), kwargs)
        seen = tracer.see(model, tuple(args), kwargs, costs=True)
    except tracer.MissingInputs as error:
        raise ModscopeError(
            f"{visible(str(error))}. Give each as --input SHAPE or --input NAME=SHAPE:DTYPE, let TARGET be a function "
            "that returns (module, args), or run nothing: --tree"
        ) from None
    except tracer.WrongInputs as error:
        raise ModscopeError(visible(str(error))) from None
    except Exception as error:
        try:
            until_there = api.partial_trace(error)
        except ModscopeError:
            raise error from None  # modscope's own failure, not the forward's
        click.echo(str(api.summary(until_there)))
        raise ModscopeError(f"the forward raised {_described(error)}") from error
    if seen.reasons:
        _explain_fallback(seen.reasons, seen.what.origin)
    return seen.what


def _explain_fallback(reasons: Sequence[str], origin: str) -> None:
    for reason in reasons:
        click.echo(visible(f"note: {reason}"), err=True)
    click.echo(f"note: shown is {SHOWN[origin]}", err=True)


@contextmanager
def _users_errors(what: str) -> Iterator[None]:
    """Exceptions of the user's code, told with the line of it that raised them."""
    try:
        yield
    except (ModscopeError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit too: a script that ends the program when it is imported
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            raise
        raise ModscopeError(f"{what}: {_described(error)}") from error


@contextmanager
def _torch_missing_is_said() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name == "torch":
            raise MissingExtra("looking at a model", "torch", "torch") from None
        raise


def _described(error: BaseException) -> str:
    """Type, message, and the innermost line outside Python, modscope and installed packages."""
    text = visible(f"{type(error).__name__}: {error}")
    if isinstance(error, SyntaxError):
        return text  # its message ends with file and line
    installed = (
        *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
        str(Path(api.__file__).parent),
    )
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(("<", *installed)):
            return text + visible(f" ({frame.filename}:{frame.lineno}: {frame.line})")
    return text


def _is_module(thing: Any) -> bool:
    torch = sys.modules.get("torch")  # not loaded: nothing can be a module
    return torch is not None and isinstance(thing, torch.nn.Module)


def _is_module_class(thing: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, type) and issubclass(thing, torch.nn.Module)
