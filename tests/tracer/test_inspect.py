from __future__ import annotations

from collections import OrderedDict, deque
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import modscope
from fixtures import models
from modscope.data import BufferInfo, ParameterInfo


class Holder(nn.Module):
    """A module with these attributes."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        for name, value in attributes.items():
            setattr(self, name, value)


def hidden(model: nn.Module) -> list[str]:
    return [each.path for each in modscope.inspect(model).root.hidden]


# ---- what is registered


@pytest.mark.parametrize("name", models.NAMES)
def test_paths_types_and_totals_are_torchs_own(name: str) -> None:
    model, _, _ = models.build(name)
    tree = modscope.inspect(model)
    assert {path: info.type for path, info in tree.items()} == {
        path: type(module).__name__ for path, module in model.named_modules()
    }
    assert list(tree) == [path for path, _ in model.named_modules()]
    assert tree.total_params == sum(p.numel() for p in model.parameters())
    assert tree.trainable_params == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert tree.total_buffers == sum(b.numel() for b in model.buffers())
    assert [p.path for m in tree.values() for p in m.parameters if p.counts] == [n for n, _ in model.named_parameters()]
    assert {p: info.extra_repr for p, info in tree.items()} == {p: m.extra_repr() for p, m in model.named_modules()}


def test_children_stand_in_the_order_of_registration() -> None:
    model = Holder(b=nn.ReLU(), a=nn.ReLU())
    assert modscope.inspect(model).root.children == ("b", "a")


def test_a_shared_module_has_all_its_paths_and_goes_by_the_first() -> None:
    block = nn.Sequential(nn.Linear(2, 2))
    tree = modscope.inspect(Holder(a=block, b=Holder(c=block)))
    assert tree["a"].paths == ("a", "b.c")
    assert tree["b.c.0"].path == "a.0"
    assert tree["b"].children == ("a",)
    assert tree.total_params == 6


def test_paths_of_shared_modules_are_those_torch_gives_when_it_keeps_duplicates() -> None:
    leaf = nn.Linear(1, 1)
    twice = nn.Sequential(leaf, leaf)
    model = nn.Sequential(twice, Holder(x=twice, y=leaf))
    expected: dict[int, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        expected.setdefault(id(module), []).append(path)
    assert [list(info.paths) for info in modscope.inspect(model).values()] == list(expected.values())


def test_modules_shared_at_every_level_do_not_multiply() -> None:
    model: nn.Module = nn.Linear(1, 1)
    for _ in range(40):
        model = nn.Sequential(model, model)
    tree = modscope.inspect(model)
    assert len(tree) == 41
    assert len(tree[".".join("0" * 40)].paths) == 64


def test_a_tied_parameter_names_its_first_name() -> None:
    model = Holder(embedding=nn.Embedding(4, 3), head=nn.Linear(3, 4, bias=False))
    model.head.weight = model.embedding.weight
    tree = modscope.inspect(model)
    assert tree["head"].parameters[0].tied_to == "embedding.weight"
    assert tree["head"].params == 0
    assert tree.total_params == 12


def test_a_parameter_under_two_names_of_one_module_is_tied() -> None:
    model = nn.Linear(2, 2, bias=False)
    model.again = model.weight
    assert [p.tied_to for p in modscope.inspect(model).root.parameters] == [None, "weight"]


def test_a_buffer_says_whether_it_is_persistent() -> None:
    model = nn.Module()
    model.register_buffer("kept", torch.zeros(1))
    model.register_buffer("passing", torch.zeros(1), persistent=False)
    assert [(b.path, b.persistent) for b in modscope.inspect(model).root.buffers] == [
        ("kept", True),
        ("passing", False),
    ]


def test_train_flags_are_each_modules_own() -> None:
    model = nn.Sequential(nn.Dropout(), nn.ReLU())
    model[0].eval()
    assert [info.training for info in modscope.inspect(model).values()] == [True, False, True]


def test_a_lazy_parameter_counts_for_nothing_yet() -> None:
    tree = modscope.inspect(nn.Sequential(nn.LazyLinear(3), nn.Linear(2, 2)))
    assert [p.initialized for p in tree["0"].parameters] == [False, False]
    assert tree.total_params == 6


def test_user_hooks_are_named_and_those_of_torchs_modules_are_not() -> None:
    def watch(module: nn.Module, args: Any) -> None: ...

    model = nn.LazyLinear(3)
    model.register_forward_pre_hook(watch)
    model.register_full_backward_hook(lambda *_: None)
    hooks = modscope.inspect(model).root.hooks
    assert [hook.kind for hook in hooks] == ["forward_pre", "full_backward"]
    assert hooks[0].name.endswith("watch")


def test_texts_of_equal_modules_are_shared_only_when_equal() -> None:
    model = nn.Sequential(nn.Dropout(1), nn.Dropout(1.0), nn.Linear(2, 2), nn.Linear(2, 2, bias=False))
    assert [m.extra_repr for m in modscope.inspect(model).values()][1:] == [m.extra_repr() for m in model]


def test_parameter_containers_show_their_tensors() -> None:
    model = nn.Sequential(nn.ParameterList([torch.zeros(1)]), nn.ParameterList([torch.zeros(2)]))
    assert modscope.inspect(model)["1"].extra_repr == model[1].extra_repr()


def test_the_tree_stays_as_it_was_when_the_model_changes() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    tree = modscope.inspect(model)
    model.eval().requires_grad_(False).append(nn.ReLU())
    assert len(tree) == 2
    assert tree.root.training
    assert tree.trainable_params == 6


# ---- where it was written


def test_classes_are_the_modules_own_part_of_the_mro_with_their_lines() -> None:
    class Base(nn.Module): ...

    class Child(Base): ...

    lines = Path(__file__).read_text().splitlines()
    classes = modscope.inspect(Child()).root.classes
    assert [each.name for each in classes] == ["Child", "Base"]
    assert all(each.file == __file__ for each in classes)
    assert [lines[(each.line or 0) - 1].strip() for each in classes] == [
        "class Child(Base): ...",
        "class Base(nn.Module): ...",
    ]


def test_a_class_defined_twice_under_one_name_is_found_by_its_methods() -> None:
    def first() -> nn.Module:
        class Twice(nn.Module):
            def forward(self) -> int:
                return 1

        return Twice()

    one = first()

    def first() -> nn.Module:  # type: ignore[no-redef]
        class Twice(nn.Module):
            def forward(self) -> int:
                return 2

        return Twice()

    two = first()
    lines = [modscope.inspect(model).root.classes[0].line for model in (one, two)]
    assert lines == [type(model).forward.__code__.co_firstlineno - 1 for model in (one, two)]


def test_a_class_made_by_exec_has_no_file() -> None:
    space: dict[str, Any] = {"nn": nn, "__name__": "nowhere"}
    exec("class Net(nn.Module):\n    def forward(self): ...\n", space)
    (own,) = modscope.inspect(space["Net"]()).root.classes
    assert (own.name, own.file, own.line) == ("Net", None, None)


def test_rules_that_a_class_ignores_are_remembered() -> None:
    class Quiet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [nn.ReLU()]  # modscope: ignore[unregistered-module-list]

    class Loud(nn.Module): ...

    assert modscope.inspect(Quiet()).root.classes[0].ignores == ("unregistered-module-list",)
    assert modscope.inspect(Loud()).root.classes[0].ignores == ()


# ---- what plain attributes hide


class Plain:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class Slotted:
    __slots__ = ("net", "unset")


@pytest.mark.parametrize(
    ("attribute", "path"),
    [
        ([nn.ReLU()], "x[0]"),
        ((None, nn.ReLU()), "x[1]"),
        ({"cls": nn.ReLU()}, "x['cls']"),
        ({nn.ReLU()}, "x[0]"),
        (deque([nn.ReLU()]), "x[0]"),
        (OrderedDict(a=[(1, nn.ReLU())]), "x['a'][0][1]"),
        ({(1, 2): nn.ReLU()}, "x[tuple#0]"),
        (Plain(net=nn.ReLU()), "[x].net"),
        (Plain(inner=Plain(nets=[nn.ReLU()])), "[x].inner.nets[0]"),
        ([Plain(net=nn.ReLU())], "x[0].net"),
        ([nn.Parameter(torch.zeros(1))], "x[0]"),
    ],
)
def test_a_hidden_module_has_a_bracketed_path(attribute: Any, path: str) -> None:
    assert hidden(Holder(x=attribute)) == [path]


def test_slots_of_plain_objects_are_looked_into() -> None:
    helper = Slotted()
    helper.net = nn.ReLU()
    assert hidden(Holder(helper=helper)) == ["[helper].net"]


def test_a_module_set_past_registration_is_hidden() -> None:
    model = nn.Sequential(Holder())
    object.__setattr__(model[0], "teacher", nn.Linear(1, 1))
    (found,) = modscope.inspect(model)["0"].hidden
    assert (found.path, found.type, found.params) == ("0[teacher]", "Linear", 2)


def test_a_registered_module_in_a_list_is_not_hidden() -> None:
    layer = nn.ReLU()
    assert hidden(Holder(stages=[layer], layer=layer)) == []


def test_what_hides_inside_a_hidden_module_counts_once() -> None:
    shared = nn.Linear(2, 2)
    model = Holder(blocks=[nn.Sequential(shared, shared)])
    (found,) = modscope.inspect(model).root.hidden
    assert (found.container, found.params) == ("list", 6)


def test_a_plain_object_that_refers_to_itself_and_to_the_model_is_no_trap() -> None:
    helper = Plain()
    model = Holder(helper=helper)
    vars(helper).update(me=helper, model=model, others=[helper])
    assert hidden(model) == []


def test_unknown_objects_are_never_iterated() -> None:
    class Endless:
        def __iter__(self) -> Any:
            raise AssertionError

        __len__ = __getattr__ = __eq__ = __iter__  # type: ignore[assignment]

    class EndlessList(list[Any]):
        __iter__ = Endless.__iter__

    assert hidden(Holder(a=Endless(), b=EndlessList([nn.ReLU()]))) == ["b[0]"]


def test_plain_tensor_attributes_are_named() -> None:
    model = Holder(mask=torch.zeros(2, 3), cache={"k": torch.zeros(1)})
    assert [(name, spec.shape) for name, spec in modscope.inspect(model).root.tensors] == [
        ("mask", (2, 3)),
        ("cache['k']", (1,)),
    ]


# ---- modules met as strangers


class Hostile(nn.Linear):
    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(2, 2)
        vars(self)["ready"] = True

    def _refuse(self, *_: Any) -> Any:
        raise AssertionError("asked a module about itself")

    __eq__ = __bool__ = __repr__ = __dir__ = __iter__ = _refuse  # type: ignore[assignment]
    extra_repr = _refuse
    shape = property(_refuse)

    def __len__(self) -> int:
        return 0

    def __getattr__(self, name: str) -> Any:
        return self._refuse() if "ready" in vars(self) else super().__getattr__(name)


def test_a_module_that_refuses_every_question_is_inspected() -> None:
    tree = modscope.inspect(nn.Sequential(Hostile(), nn.ReLU()))
    assert tree["0"].extra_repr == "(extra_repr raised AssertionError)"
    assert tree.total_params == 6


def test_a_module_without_super_init_is_inspected() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            pass

    model = nn.Sequential()
    model._modules["bare"] = Bare()
    assert list(modscope.inspect(model)) == ["", "bare"]


def test_none_children_and_things_that_are_no_modules_are_passed_over() -> None:
    model = nn.Sequential()
    model.add_module("none", None)
    model._modules["odd"] = 3  # type: ignore[assignment]
    assert list(modscope.inspect(model)) == [""]


def test_a_registered_cycle_ends() -> None:
    model = nn.Sequential(nn.ReLU())
    model.add_module("me", model)
    tree = modscope.inspect(model)
    assert list(tree) == ["", "0"]
    assert tree.root.children == ("0", "")


def test_depth_and_width_have_no_limit() -> None:
    deep = nn.Sequential(nn.Linear(1, 1))
    for _ in range(3_000):
        deep = nn.Sequential(deep)
    wide = nn.Sequential(*(nn.ReLU() for _ in range(20_000)))
    tree = modscope.inspect(nn.Sequential(deep, wide))
    assert len(tree) == 3_004 + 20_000


def test_a_script_module_shows_its_children() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2))).eval())
    tree = modscope.inspect(scripted)
    assert list(tree) == ["", "0", "1", "1.0"]
    assert tree.total_params == 10
    assert not tree["1.0"].training


def test_a_traced_script_module_shows_its_children_once() -> None:
    plain = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2))).eval()
    tree = modscope.inspect(torch.jit.trace(plain, torch.zeros(1, 2)))
    assert list(tree) == ["", "0", "1", "1.0"]
    assert (tree.total_params, tree.total_buffers) == (10, 5)
    assert not any(info.hidden for info in tree.values())


def test_a_text_that_draws_numbers_does_not_move_the_generator() -> None:
    class Shows(nn.Module):
        def extra_repr(self) -> str:
            return str(torch.rand(2).shape)

    before = torch.get_rng_state()
    assert modscope.inspect(Shows()).root.extra_repr == "torch.Size([2])"
    assert torch.equal(torch.get_rng_state(), before)


def first_tensor(model: nn.Module) -> ParameterInfo | BufferInfo:
    root = modscope.inspect(model).root
    return (*root.parameters, *root.buffers)[0]


def with_buffer(tensor: Tensor) -> nn.Module:
    model = nn.Module()
    model.register_buffer("x", tensor)
    return model


@pytest.mark.parametrize(
    ("tensor", "shape", "layout"),
    [
        (torch.eye(3).to_sparse(), (3, 3), "sparse_coo"),
        (torch.zeros(2, 3, device="meta"), (2, 3), "strided"),
        (torch.nested.nested_tensor([torch.zeros(2, 3), torch.zeros(4, 3)], layout=torch.jagged), (2, -1, 3), "jagged"),
        (torch.nested.nested_tensor([torch.zeros(2), torch.zeros(4)], layout=torch.strided), (2, -1), "nested"),
        (torch.zeros((), dtype=torch.complex64), (), "strided"),
    ],
    ids=["sparse", "meta", "jagged", "nested", "complex"],
)
def test_tensors_of_every_kind_have_a_spec(tensor: Tensor, shape: tuple[int, ...], layout: str) -> None:
    spec = first_tensor(with_buffer(tensor)).spec
    assert (spec.shape, spec.layout, spec.dtype) == (shape, layout, str(tensor.dtype).removeprefix("torch."))


def test_a_tensor_spec_counts_the_bytes_of_its_elements() -> None:
    assert first_tensor(with_buffer(torch.zeros(3, 5, dtype=torch.float16).t())).spec.nbytes == 30


def test_a_distributed_tensor_tells_its_part_and_the_whole(tmp_path: Path) -> None:
    from torch import distributed
    from torch.distributed.tensor import Shard, distribute_tensor, init_device_mesh

    distributed.init_process_group("gloo", init_method=(tmp_path / "rendezvous").as_uri(), rank=0, world_size=1)
    try:
        whole = torch.zeros(6, 4)
        spec = first_tensor(with_buffer(distribute_tensor(whole, init_device_mesh("cpu", (1,)), [Shard(0)]))).spec
    finally:
        distributed.destroy_process_group()
    assert (spec.shape, spec.global_shape, spec.placements) == ((6, 4), (6, 4), ("S(0)",))


# ---- mistakes


def test_a_class_instead_of_an_instance_is_told_how_to_go_on() -> None:
    with pytest.raises(modscope.ModscopeError, match=r"Holder is a class; pass an instance: Holder\(\.\.\.\)"):
        modscope.inspect(Holder)  # type: ignore[arg-type]


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(modscope.ModscopeError, match="is of type dict; a model is an instance"):
        modscope.inspect({})  # type: ignore[arg-type]
