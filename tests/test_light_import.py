"""What an import loads. Each in a fresh interpreter."""

import subprocess
import sys

HEAVY = ("torch", "libcst", "networkx", "graphviz", "numpy", "modscope.linter", "modscope.tracer")


def loaded_by(code: str) -> set[str]:
    report = f"{code}\nimport sys; print('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_modscope_loads_nothing_heavy() -> None:
    assert loaded_by("import modscope").isdisjoint(HEAVY)


def test_reading_a_saved_trace_loads_no_torch(tmp_path) -> None:
    saved = tmp_path / "trace.json"
    saved.write_text(
        '{"schema":1,"kind":"tree","tensors":[],"tree":{"modules":[{"path":"","type":"Net"}],"origin":"real"}}'
    )
    assert "torch" not in loaded_by(f"import modscope; print(modscope.load({str(saved)!r}).to_json())")


def test_the_linter_never_loads_torch(tmp_path) -> None:
    source = tmp_path / "net.py"
    source.write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.layers = [nn.Linear(1, 1)]\n"
    )
    loaded = loaded_by(f"import modscope; assert len(modscope.lint([{str(source)!r}])) == 1")
    assert "libcst" in loaded
    assert "torch" not in loaded


def test_a_rule_is_loaded_for_a_text_that_holds_one_of_its_words(tmp_path) -> None:
    source = tmp_path / "net.py"
    net = "from torch import nn\n\n\nclass Net(nn.Module):\n    def forward(self, x):\n        return {}\n"
    rule = "modscope.linter.rules.direct_forward_call"
    for code, wanted in (("self.body(x)", False), ("self.body.forward(x)", True)):
        source.write_text(net.format(code))
        assert (rule in loaded_by(f"import modscope; modscope.lint([{str(source)!r}])")) == wanted
