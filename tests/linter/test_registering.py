"""What the fixes of the container rules do: what they wrap, when they refuse, and that the mended class registers."""

import pytest

from modscope import linter
from modscope.config import Config
from modscope.findings import Finding

RULES = Config(
    select=(
        "unregistered-module-list",
        "unregistered-module-dict",
        "unregistered-module-tuple",
        "unregistered-parameter-container",
        "unregistered-stateless-module",
    )
)
NET = "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
HEADER = "import torch\nimport torch.nn as nn\n\n\n"


def net(*body: str, header: str = HEADER) -> str:
    return header + NET + "".join(f"        {line}\n" for line in body)


def finding(text: str) -> Finding:
    [found] = linter.lint_source(text, config=RULES).findings
    return found


def mended(text: str) -> str:
    report = linter.lint_source(text, config=RULES, fix="unsafe")
    assert report.findings == ()
    [rewrite] = report.rewrites
    return rewrite.after.decode()


def parameters(text: str) -> set[str]:
    names: dict[str, type] = {}
    exec(compile(text, "<net>", "exec"), names)
    return {name for name, _ in names["Net"]().named_parameters()}


REGISTERED = {
    "a list": (["self.x = [nn.Linear(1, 1, bias=False)]"], {"x.0.weight"}),
    "a tuple": (["self.x = (nn.Linear(1, 1, bias=False),)"], {"x.0.weight"}),
    "a tuple without brackets": (["self.x = nn.Linear(1, 1, bias=False), nn.ReLU()"], {"x.0.weight"}),
    "a dict": (['self.x = {"a": nn.Linear(1, 1, bias=False)}'], {"x.a.weight"}),
    "a dict by keyword": (["self.x = dict(a=nn.Linear(1, 1, bias=False))"], {"x.a.weight"}),
    "a comprehension": (["self.x = [nn.Linear(1, 1, bias=False) for _ in range(2)]"], {"x.0.weight", "x.1.weight"}),
    "a list with None": (["self.x = [None, nn.Linear(1, 1, bias=False)]"], {"x.1.weight"}),
    "an empty list, filled": (["self.x = []", "self.x.append(nn.Linear(1, 1, bias=False))"], {"x.0.weight"}),
    "a list by call, extended": (["self.x = list()", "self.x += [nn.Linear(1, 1, bias=False)]"], {"x.0.weight"}),
    "places, set one by one": (["self.x = [None] * 2", "self.x[1] = nn.Linear(1, 1, bias=False)"], {"x.1.weight"}),
    "a sum": (["self.x = []", "self.x = self.x + [nn.Linear(1, 1, bias=False)]"], {"x.0.weight"}),
    "a variable": (["x = []", "x.append(nn.Linear(1, 1, bias=False))", "self.x = x"], {"x.0.weight"}),
    "a list of two names": (["self.x = self.y = []", "self.x.append(nn.Linear(1, 1, bias=False))"], {"x.0.weight"}),
    "several at once": (["self.x, self.y = [nn.Linear(1, 1, bias=False)], 1"], {"x.0.weight"}),
    "parameters": (["self.x = [nn.Parameter(torch.ones(1))]"], {"x.0"}),
    "parameters by name": (['self.x = {"a": nn.Parameter(torch.ones(1))}'], {"x.a"}),
}


@pytest.mark.parametrize("case", REGISTERED)
def test_the_mended_class_registers(case: str) -> None:
    body, names = REGISTERED[case]
    assert parameters(net(*body)) == set()
    assert parameters(mended(net(*body))) == names


REFUSED = {
    "something else in it": ["self.x = [nn.Linear(1, 1), 'relu']"],
    "an argument in it": ["self.x = [nn.Linear(1, 1)]", "self.x.append(given)"],
    "a key that is no string": ["self.x = {1: nn.Linear(1, 1)}"],
    "a key with a dot": ['self.x = {"a.b": nn.Linear(1, 1)}'],
    "a key that ModuleDict has for itself": ['self.x = {"keys": nn.Linear(1, 1)}'],
    "a key from a variable": ["self.x = {name: nn.Linear(1, 1) for name in ()}"],
    "fromkeys": ["self.x = dict.fromkeys(['a'], nn.Linear(1, 1))"],
    "zip": ["self.x = dict(zip(['a'], [nn.Linear(1, 1)]))"],
    "remove": ["self.x = [nn.Linear(1, 1)]", "self.x.remove(self.x[0])"],
    "sort": ["self.x = [nn.Linear(1, 1)]", "self.x.sort(key=id)"],
    "reverse": ["self.x = [nn.Linear(1, 1)]", "self.x.reverse()"],
    "index": ["self.x = [nn.Linear(1, 1)]", "self.x.index(self.x[0])"],
    "count": ["self.x = [nn.Linear(1, 1)]", "self.x.count(self.x[0])"],
    "copy": ["self.x = [nn.Linear(1, 1)]", "self.x.copy()"],
    "get": ['self.x = {"a": nn.Linear(1, 1)}', 'self.x.get("a")'],
    "a product": ["self.x = [nn.Linear(1, 1)]", "self.x * 2"],
    "a list added to": ["self.x = [nn.Linear(1, 1)]", "[] + self.x"],
    "a comparison": ["self.x = [nn.Linear(1, 1)]", "self.x == []"],
    "a check of its type": ["self.x = [nn.Linear(1, 1)]", "isinstance(self.x, list)"],
    "an annotation": ["self.x: list[nn.Module] = [nn.Linear(1, 1)]"],
    "lists in it": ["self.x = [[nn.Linear(1, 1)]]"],
    "a set": ["self.x = {nn.Linear(1, 1)}"],
    "a slice assigned": ["self.x = []", "self.x[0:0] = [nn.Linear(1, 1)]"],
    "a variable filled later": ["x = []", "self.x = x", "x.append(nn.Linear(1, 1))"],
    "a variable assigned with it": ["self.x = x = []", "x.append(nn.Linear(1, 1))"],
    "a second assignment": ["self.x = [nn.Linear(1, 1)]", "self.x = []"],
    "setattr": ["setattr(self, 'x', [nn.Linear(1, 1)])"],
    "the instance's dict": ["self.__dict__['x'] = [nn.Linear(1, 1)]"],
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_fix_that_would_not_do_is_refused_with_a_reason(case: str) -> None:
    found = finding(net(*REFUSED[case]))
    assert found.fix is None
    assert found.no_fix


def test_a_fix_is_written_as_the_file_writes_nn() -> None:
    text = net("self.x = [th.Linear(1, 1)]", header="from torch import nn as th\n\n\n").replace(
        "nn.Module", "th.Module"
    )
    assert "self.x = th.ModuleList([th.Linear(1, 1)])" in mended(text)


def test_a_fix_imports_what_the_file_lacks() -> None:
    text = "from torch.nn import Linear, Module\n\n\n" + NET.replace("nn.Module", "Module")
    assert parameters(mended(text + "        self.x = [Linear(1, 1, bias=False)]\n")) == {"x.0.weight"}


def test_a_fix_changes_nothing_but_the_value() -> None:
    before = net("self.x = [  # first", "    nn.Linear( 1,1 ),", "] # last", "self . y=  [ 1 ]")
    after = mended(before)
    assert after == before.replace("[  # first", "nn.ModuleList([  # first").replace("] # last", "]) # last")
