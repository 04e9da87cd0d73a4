"""A checkpoint -> the tree that its names and shapes tell of. No class is unpickled, and tensors stay on disk.

(Files that torch.save wrote before version 1.6 are the exception: those are loaded whole.)
"""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from modscope.data import BufferInfo, ModuleInfo, ModuleTree, ParameterInfo, TensorSpec
from modscope.errors import ModscopeError

UNKNOWN_TYPE = "?"
# A checkpoint does not say what is a parameter. Whole numbers never are, nor are the statistics of torch's norms.
STATISTICS = ("running_mean", "running_var")
# https://github.com/huggingface/safetensors#format; other names stay as they are, in lower case
SAFETENSORS_DTYPES = {
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}
LONGEST_HEADER = 100_000_000  # bytes; the format's own limit


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of a state dict."""

    name: str
    spec: TensorSpec
    memory: object  # equal for two names of one tensor


def read_checkpoint(path: str) -> ModuleTree:
    """The tree of a `.safetensors` file, or of one that `torch.save` wrote (a state dict, or a dict holding some).

    Module types are not in a checkpoint and read "?". Every floating tensor counts as a parameter, except the
    `running_mean` and `running_var` of norms; the others count as buffers. Raises ModscopeError.
    """
    try:
        entries = list(_safetensors(path) if path.endswith(".safetensors") else _saved_by_torch(path))
    except OSError as error:
        raise ModscopeError(f"cannot read {path!r}: {error.strerror or error}") from None
    if not entries:
        raise ModscopeError(f"{path!r} holds no state dict: a dict of tensors by name, as model.state_dict() gives it")
    return ModuleTree(tuple(_modules(entries, Path(path).name)), "static")


def _safetensors(path: str) -> Iterator[Entry]:
    try:
        with open(path, "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > LONGEST_HEADER:
                raise ValueError(f"its header claims {size:,} bytes")
            header = json.loads(file.read(size))
        for name, facts in header.items():
            if name != "__metadata__":
                start, end = facts["data_offsets"]
                dtype = SAFETENSORS_DTYPES.get(facts["dtype"], str(facts["dtype"]).lower())
                yield Entry(name, TensorSpec(tuple(map(int, facts["shape"])), dtype, "cpu", nbytes=end - start), name)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModscopeError(f"{path!r} is no safetensors file: {error}") from None


def _saved_by_torch(path: str) -> Iterator[Entry]:
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError):
        raise ModscopeError(
            f"{path!r} is no checkpoint of tensors alone, as torch.save(model.state_dict(), path) writes it. Nothing "
            "else is unpickled, for that could run foreign code. The module itself is named as path/file.py:attr"
        ) from None
    if not isinstance(saved, Mapping):
        return
    parts = {"": saved, **{f"{key}.": part for key, part in saved.items() if isinstance(part, Mapping)}}
    full = {prefix: tensors for prefix, part in parts.items() if (tensors := _tensors(part))}
    for prefix, tensors in full.items():
        for name, tensor in tensors.items():
            spec = TensorSpec(
                tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), "cpu", nbytes=tensor.nbytes
            )
            memory = (tensor.data_ptr(), spec.shape, tensor.stride()) if tensor.numel() else object()
            yield Entry(name if len(full) == 1 else prefix + name, spec, memory)


def _tensors(part: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    return {name: value for name, value in part.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}


def _modules(entries: Iterable[Entry], title: str) -> Iterator[ModuleInfo]:
    """The root and every module that a name implies, parents first."""
    own: dict[str, list[ParameterInfo | BufferInfo]] = {"": []}
    children: dict[str, list[str]] = defaultdict(list)
    first_names: dict[object, str] = {}
    for entry in entries:
        holder = path = entry.name.rpartition(".")[0]
        while path not in own:
            own[path] = []
            parent = path.rpartition(".")[0]
            children[parent].append(path)
            path = parent
        own[holder].append(_tensor(entry, first_names.setdefault(entry.memory, entry.name)))
    stack = [""]
    while stack:
        path = stack.pop()
        yield ModuleInfo(
            path,
            UNKNOWN_TYPE if path else title,
            (path,),
            parameters=tuple(each for each in own[path] if isinstance(each, ParameterInfo)),
            buffers=tuple(each for each in own[path] if isinstance(each, BufferInfo)),
            children=tuple(children[path]),
        )
        stack.extend(reversed(children[path]))


def _tensor(entry: Entry, first_name: str) -> ParameterInfo | BufferInfo:
    tied_to = first_name if first_name != entry.name else None
    if "float" in entry.spec.dtype and entry.name.rpartition(".")[2] not in STATISTICS:
        return ParameterInfo(entry.name, entry.spec, trainable=True, tied_to=tied_to)
    return BufferInfo(entry.name, entry.spec, persistent=True, tied_to=tied_to)
