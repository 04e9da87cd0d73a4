"""Which classes are nn.Modules: resolved through imports and files, silent where that cannot be told."""

from pathlib import Path

import pytest

import modscope
from modscope.config import Config

BODY = """
    def __init__(self):
        super().__init__()
        self.layers = [torch.nn.Linear(1, 1)]
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def is_module(folder: Path, files: dict[str, str], config: Config | None = None) -> bool:
    """Whether the class in net.py that keeps a list of layers is reported, as only a Module's is."""
    write(folder, files)
    (path,) = folder.rglob("net.py")
    report = modscope.lint([path], config or Config(select=("unregistered-module-list",)))
    assert {finding.rule for finding in report} <= {"unregistered-module-list"}
    return len(report) == 1


MODULES = {
    "import torch": "class Net(torch.nn.Module):",
    "an alias of torch.nn": "import torch.nn as n\nclass Net(n.Module):",
    "from torch import nn": "from torch import nn\nclass Net(nn.Module):",
    "from torch import nn as n": "from torch import nn as n\nclass Net(n.Module):",
    "from torch.nn import Module": "from torch.nn import Module\nclass Net(Module):",
    "the module that defines it": "from torch.nn.modules.module import Module\nclass Net(Module):",
    "a star import": "from torch.nn import *\nclass Net(Module):",
    "an assigned alias": "Base = torch.nn.Module\nclass Net(Base):",
    "an alias of a namespace": "nn = torch.nn\nclass Net(nn.Module):",
    "another module as base": "class Net(torch.nn.Linear):",
    "two steps in one file": "class Base(torch.nn.Module): pass\nclass Net(Base):",
    "a base below its heir": "class Net(Base):BODY\nclass Base(torch.nn.Module): pass",
    "a mixin first": "class Net(Mixin, torch.nn.Module):",
    "an abstract base beside it": "from abc import ABC\nclass Net(torch.nn.Module, ABC):",
    "Generic": "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass Net(torch.nn.Module, Generic[T]):",
    "a subscripted base": "class Net(torch.nn.Module[[int], int]):",
    "a type parameter": "class Net[T](torch.nn.Module):",
    "a metaclass": "class Net(torch.nn.Module, metaclass=Meta):",
    "a nested class": "class Outer:\n  class Net(torch.nn.Module):",
    "a class in a function": "def build(size):\n  class Net(torch.nn.Module):",
    "a function's own import": "def build():\n  from torch import nn as n\n  class Net(n.Module):",
    "an import that is tried": "try:\n  from torch import nn\nexcept ImportError:\n  nn = None\nclass Net(nn.Module):",
    "a stand-in for a missing torch": (
        "try:\n  from torch.nn import Module\nexcept ImportError:\n  Module = object\nclass Net(Module):"
    ),
    "two ways to one class": (
        "try:\n  from lightning import LightningModule as M\n"
        "except ImportError:\n  from pytorch_lightning import LightningModule as M\nclass Net(M):"
    ),
    "an import for types": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  from torch import nn\nclass Net(nn.Module):"
    ),
    "lightning": "import lightning as L\nclass Net(L.LightningModule):",
    "transformers": "from transformers import PreTrainedModel\nclass Net(PreTrainedModel):",
    "a base or its stand-in": "Base = torch.nn.Module if torch else object\nclass Net(Base):",
    "a base chosen in place": "class Net(torch.nn.Module if torch else object):",
    "two aliases in one assignment": "nn, F = torch.nn, torch.nn.functional\nclass Net(nn.Module):",
    "with_metaclass": "import six, abc\nclass Net(six.with_metaclass(abc.ABCMeta, torch.nn.Module)):",
    "a convolution of torch_geometric": "from torch_geometric.nn import GCNConv\nclass Net(GCNConv):",
    "a model of transformers": "from transformers import BertPreTrainedModel\nclass Net(BertPreTrainedModel):",
    "torch_geometric": "from torch_geometric.nn import MessagePassing\nclass Net(MessagePassing):",
    "torchmetrics": "from torchmetrics import Metric\nclass Net(Metric):",
    "detectron2": "from detectron2.modeling import Backbone\nclass Net(Backbone):",
    "stable_baselines3": (
        "from stable_baselines3.common.torch_layers import BaseFeaturesExtractor\nclass Net(BaseFeaturesExtractor):"
    ),
    "decorators": "@register\n@other(1)\nclass Net(torch.nn.Module):",
}


@pytest.mark.parametrize("case", MODULES)
def test_a_base_that_leads_to_torch_makes_a_module(tmp_path: Path, case: str) -> None:
    assert is_module(tmp_path, {"net.py": source(MODULES[case])})


NO_MODULES = {
    "an unknown base": "from elsewhere import Base\nclass Net(Base):",
    "mlx": "import mlx.nn as nn\nclass Net(nn.Module):",
    "tinygrad": "from tinygrad import nn\nclass Net(nn.Module):",
    "keras": "from keras import layers as nn\nclass Net(nn.Layer):",
    "megengine": "import megengine.module as nn\nclass Net(nn.Module):",
    "jittor": "from jittor import nn\nclass Net(nn.Module):",
    "a class of its own called Module": "class Module: pass\nclass Net(Module):",
    "a local namespace": "class nn:\n  class Module: pass\nclass Net(nn.Module):",
    "one of two namespaces": (
        "try:\n  import mlx.nn as nn\nexcept ImportError:\n  import torch.nn as nn\nclass Net(nn.Module):"
    ),
    "a name bound anew": "from torch import nn\nnn = wrap(nn)\nclass Net(nn.Module):",
    "a parameter": "from torch import nn\ndef build(nn):\n  class Net(nn.Module):",
    "an expression": "class Net(make_base()):",
    "one of two bases": "from elsewhere import Base\nclass Net(torch.nn.Module if torch else Base):",
    "an alias of one of two": "from elsewhere import B\nBase = torch.nn.Module if torch else B\nclass Net(Base):",
    "a TensorFlow model": "from transformers import TFBertModel\nclass Net(TFBertModel):",
    "a function's package": "from torch_geometric.nn import global_mean_pool\nclass Net(global_mean_pool):",
    "no base": "class Net:",
    "a circle": "class Base(Net): pass\nclass Net(Base):",
    "itself": "class Net(Net):",
    "a star import of another package": "from mlx.nn import *\nclass Net(Module):",
    "a name of the class around a method": (
        "class Outer:\n  from torch import nn\n  def f(self):\n    class Net(nn.Module):"
    ),
}


@pytest.mark.parametrize("case", NO_MODULES)
def test_an_unknown_base_means_silence(tmp_path: Path, case: str) -> None:
    assert not is_module(tmp_path, {"net.py": source(NO_MODULES[case])})


def source(head: str) -> str:
    """A file with these lines above the body, which is indented like the last of them."""
    if "BODY" not in head:
        head += "BODY"
    above, below = head.split("BODY")
    last = above.rpartition("\n")[2]
    indent = " " * (len(last) - len(last.lstrip()))
    return "import torch\n" + above + BODY.replace("\n", f"\n{indent}") + below + "\n"


HEIR = "import torch\n{}\nclass Net(Base):" + BODY
BASE = "from torch import nn\nclass Base(nn.Module): pass\n"
PROJECTS = {
    "the same folder": {"net.py": HEIR.format("from base import Base"), "base.py": BASE},
    "a relative import": {
        "pkg/__init__.py": "",
        "pkg/net.py": HEIR.format("from .base import Base"),
        "pkg/base.py": BASE,
    },
    "two folders up": {
        "pkg/__init__.py": "",
        "pkg/base.py": BASE,
        "pkg/models/__init__.py": "",
        "pkg/models/net.py": HEIR.format("from ..base import Base"),
    },
    "an absolute import of its own package": {
        "pkg/__init__.py": "",
        "pkg/base.py": BASE,
        "pkg/models/__init__.py": "",
        "pkg/models/net.py": HEIR.format("from pkg.base import Base"),
    },
    "a namespace package": {"pkg/base.py": BASE, "pkg/models/net.py": HEIR.format("from ..base import Base")},
    "a src layout": {
        "pyproject.toml": "",
        "src/pkg/__init__.py": "",
        "src/pkg/base.py": BASE,
        "tests/net.py": HEIR.format("from pkg.base import Base"),
    },
    "a re-export": {
        "pkg/__init__.py": "from .base import Base",
        "pkg/base.py": BASE,
        "net.py": HEIR.format("from pkg import Base"),
    },
    "a star re-export": {
        "pkg/__init__.py": "from .base import *",
        "pkg/base.py": BASE,
        "net.py": HEIR.format("from pkg import Base"),
    },
    "a re-export under another name": {
        "pkg/__init__.py": "from .base import Base as B",
        "pkg/base.py": BASE,
        "net.py": HEIR.format("from pkg import B as Base"),
    },
    "an imported module": {"base.py": BASE, "net.py": HEIR.format("import base\nBase = base.Base")},
    "a re-exported namespace": {
        "common.py": "import torch.nn as nn",
        "net.py": HEIR.format("from common import nn\nBase = nn.Module"),
    },
    "a chain over three files": {
        "a.py": BASE,
        "b.py": "from a import Base\nclass Middle(Base): pass",
        "net.py": HEIR.format("from b import Middle as Base"),
    },
    "a circle of imports": {
        "a.py": "from net import Net\n" + BASE,
        "net.py": HEIR.format("from a import Base"),
    },
}


@pytest.mark.parametrize("case", PROJECTS)
def test_bases_are_found_in_other_files(tmp_path: Path, case: str) -> None:
    assert is_module(tmp_path, PROJECTS[case])


SILENT_PROJECTS = {
    "a local nn.py": {"nn.py": "class Module: pass", "net.py": "import torch, nn\nclass Net(nn.Module):" + BODY},
    "a base that is no Module": {"base.py": "class Base: pass", "net.py": HEIR.format("from base import Base")},
    "re-exports in a circle": {
        "a.py": "from b import *",
        "b.py": "from a import *",
        "net.py": HEIR.format("from a import Base"),
    },
    "an alias that grows": {"pkg/__init__.py": "Base = Base.Base", "net.py": HEIR.format("from pkg import Base")},
    "a base with a syntax error": {"base.py": "class Base(", "net.py": HEIR.format("from base import Base")},
    "more dots than folders": {"net.py": HEIR.format("from " + "." * 60 + "base import Base")},
}


@pytest.mark.parametrize("case", SILENT_PROJECTS)
def test_what_other_files_do_not_show_is_unknown(tmp_path: Path, case: str) -> None:
    assert not is_module(tmp_path, SILENT_PROJECTS[case])


def test_known_module_bases_extend_the_table(tmp_path: Path) -> None:
    files = {"net.py": HEIR.format("from elsewhere.models import Base")}
    config = Config(select=("unregistered-module-list",), known_module_bases=("elsewhere.models.Base",))
    assert is_module(tmp_path, files, config)


def test_two_packages_of_one_name_do_not_meet(tmp_path: Path) -> None:
    for example, base in (("one", BASE), ("two", "class Base: pass")):
        write(
            tmp_path / example,
            {"models/__init__.py": "", "models/base.py": base, "net.py": HEIR.format("from models.base import Base")},
        )
    report = modscope.lint([tmp_path], Config(select=("unregistered-module-list",)))
    assert [Path(finding.location.file).parent.name for finding in report] == ["one"]


@pytest.mark.parametrize("order", [1, -1])
def test_ten_thousand_classes_in_one_chain_are_followed(order: int) -> None:
    chain = [f"class A{number + 1}(A{number}): pass" for number in range(10_000)][::order]
    text = "\n".join(["import torch", "class A0(torch.nn.Module): pass", *chain, "class Net(A10000):" + BODY])
    assert len(modscope.lint_source(text, config=Config(select=("unregistered-module-list",)))) == 1


def test_what_the_farthest_base_does_counts() -> None:
    links = "".join(f"class N{number}(N{number - 1}): pass\n" for number in range(1, 2000))
    for base, found in (
        ("self.add_module('x', self.layers[0])", []),
        ("self.take(self.layers)", []),
        ("self.other = 1", ["unregistered-module-list"]),
    ):
        text = (
            f"from torch import nn\nclass N0(nn.Module):\n def __init__(self):\n  super().__init__()\n  {base}\n{links}"
            "class Net(N1999):\n def __init__(self):\n  super().__init__()\n  self.layers = [nn.Linear(1, 1)]\n"
        )
        report = modscope.lint_source(text, config=Config(select=("unregistered-module-list",)))
        assert [finding.rule for finding in report] == found


def test_classes_that_inherit_in_a_circle_end() -> None:
    text = (
        "from torch import nn\nclass A(B): pass\nclass B(A, nn.Module):\n def f(self):\n  self.x = [nn.Linear(1, 1)]\n"
    )
    assert modscope.lint_source(text).findings == ()


def test_what_is_made_may_come_from_a_folder_that_is_no_package(tmp_path: Path) -> None:
    block = "import torch\nclass Block(torch.nn.Module):\n    pass\n"
    net = "import torch\nfrom parts.blocks import Block\nclass Net(torch.nn.Module):" + BODY.replace(
        "torch.nn.Linear(1, 1)", "Block()"
    )
    write(tmp_path, {"parts/blocks.py": block, "net.py": net, "parts/net.py": net})
    report = modscope.lint([tmp_path], Config(select=("unregistered-module-list", "unregistered-stateless-module")))
    assert len(report) == 2
