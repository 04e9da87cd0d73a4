"""What goes in and comes out."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree

from tests.residue.modules import Runs, never, running

_Pair = namedtuple("_Pair", "first second")


@dataclass
class _Output:
    logits: Tensor
    state: tuple[Tensor, ...] | None = None


class _ModelOutput(OrderedDict):
    """As in transformers: a dictionary with attributes, and integer keys that mean positions."""

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else tuple(self.values())[key]

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getitem__(name)
        except KeyError:
            raise AttributeError(name) from None


class _Registered:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


_pytree.register_pytree_node(
    _Registered, lambda each: ([each.tensor], None), lambda children, _: _Registered(*children)
)


class _Identity(nn.Module):
    """Returns what it got, through a child that does so too."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Identity()

    def forward(self, x: Any) -> Any:
        return self.inner(x)


def _through(value: Any) -> Any:
    return _Identity(), (value,)


def dataclass_both_ways() -> Any:
    """Dataclasses in and out."""
    return _through(_Output(torch.randn(2), (torch.randn(1), torch.randn(3))))


def named_tuple_both_ways() -> Any:
    """Named tuples, nested."""
    return _through(_Pair(torch.randn(2), _Pair(torch.randn(1), None)))


def model_output() -> Any:
    """An ordered dictionary with attributes."""
    return running(lambda self, x: _ModelOutput(logits=x, states=(x + 1, x + 2)))


def registered_pytree() -> Any:
    """A class that torch's pytree knows."""
    return _through([_Registered(torch.randn(2))])


def unknown_objects() -> Any:
    """Objects nobody may iterate."""

    class Opaque:
        def __iter__(self) -> Any:
            raise AssertionError("iterated")

        def __len__(self) -> int:
            raise AssertionError("measured")

        def __repr__(self) -> str:
            raise AssertionError("shown")

    return _through([Opaque(), {1: Opaque()}])


def none_and_text() -> Any:
    """None, text, numbers, dtypes, slices, ellipsis."""
    return _through([None, "text", 1, 2.5, True, torch.float32, torch.device("cpu"), slice(1), ..., b"x", 1j])


class _Everything(nn.Module):
    def forward(self, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return x + sum(kwargs.values()) + sum(args)


def awkward_keywords() -> Any:
    """Keywords that a tool may use itself."""
    names = (
        "model",
        "module",
        "input",
        "inputs",
        "mode",
        "args",
        "kwargs",
        "ops",
        "output",
        "cls",
        "func",
        "types",
    )
    return _Everything(), (torch.randn(2), 1), dict.fromkeys(names, 1)


def odd_dictionary() -> Any:
    """Keys that are no strings, tensors among them."""
    return _through({1: torch.randn(1), (2, 3): torch.randn(2), None: torch.randn(3), torch.ones(1): torch.ones(2)})


def cyclic_list() -> Any:
    """A list and a dictionary that contain themselves."""
    cycle: list[Any] = [torch.randn(2)]
    cycle.append(cycle)
    table: dict[str, Any] = {"list": cycle}
    table["self"] = table
    return _through(table)


@never("oracle")  # a recorder may bound the depth
def deep_nesting() -> Any:
    """A list in a list in a list, 5,000 times."""
    nested: Any = torch.randn(2)
    for _ in range(5000):
        nested = [nested]
    return _through(nested)


def wide_output() -> Any:
    """A thousand tensors in one tuple."""
    return running(lambda self, x: tuple(x[i % 2] for i in range(1000)))


def output_is_the_input() -> Any:
    """The same object comes back."""
    return nn.Sequential(nn.Identity(), nn.Dropout(0.0).eval()), (torch.randn(2, 3),)


def output_is_a_parameter() -> Any:
    """A parameter and a view of a buffer come out."""
    model = Runs(lambda self, x: (self.fc.weight, self.table[1:]))
    model.register_buffer("table", torch.arange(4.0))
    return model, (torch.randn(2, 3),)


def output_is_the_module() -> Any:
    """The module returns itself."""
    return running(lambda self, x: (self, x))


def leaf_inputs() -> Any:
    """An input that requires a gradient and has one."""
    x = torch.randn(2, 3, requires_grad=True)
    x.grad = torch.ones(2, 3)
    return nn.Linear(3, 3), (x,)


def parameter_as_input() -> Any:
    """A parameter of the model is its argument."""
    model = nn.Linear(3, 3)
    return model, (model.weight,)


def empty_tensors() -> Any:
    """Nothing in it."""
    return nn.Sequential(nn.Linear(3, 3), nn.ReLU()), (torch.randn(0, 3),)


def strided_input() -> Any:
    """Transposed, sliced, expanded."""
    return nn.Linear(3, 2), (torch.randn(3, 4).t()[::2].expand(2, 2, 3),)


def channels_last() -> Any:
    """Memory formats stay."""
    x = torch.randn(1, 3, 4, 4).to(memory_format=torch.channels_last)
    return nn.Conv2d(3, 2, 3).to(memory_format=torch.channels_last), (x,)


def complex_numbers() -> Any:
    """A Fourier transform, conjugate views."""
    return running(lambda self, x: torch.fft.ifft(torch.fft.fft(x).conj()))


def sparse_tensor() -> Any:
    """Sparse in, dense out."""
    model = Runs(lambda self, x: torch.sparse.mm(self.adjacency, x))
    model.register_buffer("adjacency", torch.eye(2).to_sparse())
    return model, (torch.randn(2, 3),)


def sparse_csr_tensor() -> Any:
    """Compressed rows through a child."""
    return _through(torch.eye(3).to_sparse_csr())


def nested_tensor() -> Any:
    """Rows of different lengths."""
    rows = torch.nested.nested_tensor([torch.randn(2, 3), torch.randn(4, 3)])
    return nn.Sequential(nn.Linear(3, 3), nn.ReLU()), (rows,)


def jagged_tensor() -> Any:
    """The newer nested layout: a subclass with __torch_dispatch__."""
    rows = torch.nested.nested_tensor([torch.randn(2, 3), torch.randn(4, 3)], layout=torch.jagged)
    return nn.Sequential(nn.Linear(3, 3), nn.ReLU()), (rows,)


def sparse_buffers() -> Any:
    """Written in place: torch gives some of them other memory."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        self.rows.mul_(3)
        self.packed.add_(self.packed)
        return x

    model, inputs = running(forward)
    model.register_buffer("rows", torch.eye(3).to_sparse())
    model.register_buffer("packed", torch.eye(3).to_mkldnn())
    return model, inputs


def sparse_gradient() -> Any:
    """An Embedding with sparse gradients."""
    return nn.EmbeddingBag(5, 3, sparse=True, mode="sum"), (torch.tensor([0, 1, 4]), torch.tensor([0, 2]))


class _Tagged(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return super().__torch_function__(func, types, args, kwargs or {})


def tensor_subclass() -> Any:
    """A subclass with __torch_function__."""
    return nn.Linear(3, 3), (torch.randn(2, 3).as_subclass(_Tagged),)


class _Logged(torch.Tensor):
    """Owns what it wraps and says what was done with it."""

    def __new__(cls, inner: Tensor) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner: Tensor) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        unwrap = lambda each: each.inner if isinstance(each, _Logged) else each  # noqa: E731
        wrap = lambda each: _Logged(each) if isinstance(each, Tensor) else each  # noqa: E731
        result = func(*_pytree.tree_map(unwrap, args), **_pytree.tree_map(unwrap, kwargs or {}))
        return _pytree.tree_map(wrap, result)

    __torch_function__ = torch._C._disabled_torch_function_impl


def wrapper_subclass() -> Any:
    """A subclass with __torch_dispatch__ and without memory of its own."""
    return running(lambda self, x: (_Logged(x.detach()) * 2 + 1).inner)


def inference_tensors() -> Any:
    """Made in inference mode, without a version counter."""
    with torch.inference_mode():
        x = torch.randn(2, 3)
        model = nn.BatchNorm1d(3).eval().requires_grad_(False)
    return model, (x,)


def scalars_and_shapes() -> Any:
    """torch.Size, 0-dim tensors, Python numbers out."""
    return running(lambda self, x: (x.shape, x.sum(), x.dim(), x.stride(), x.dtype))


def half_precision() -> Any:
    """bfloat16 and float16."""
    return running(lambda self, x: (x.bfloat16() + 1, x.half() + 1, x.double() * 2))
