"""The linter against `ast.parse` of the same files, and what each rule costs. CPU seconds, medians of three.

    python -m tests.benchmarks.bench_lint [FOLDER]

Without a folder: torch's own `nn`. The corpus of the figures in docs/benchmarks.md is made of transformers, timm and
torch.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median

SNIPPETS = {
    "bare Python": "pass",
    "import modscope": "import modscope",
    "a small file without a class": "import modscope; modscope.lint_source('x = 1')",
    "a small file with a Module": (
        "import modscope; modscope.lint_source('from torch import nn\\nclass Net(nn.Module):\\n"
        " def __init__(self):\\n  super().__init__()\\n  self.layers = [nn.Linear(1, 1)]\\n')"
    ),
}


def main() -> None:
    """Print the figures."""
    torch = find_spec("torch")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(torch.origin).parent / "nn" if torch else Path("modscope")
    files = sorted(folder.rglob("*.py"))
    texts = [file.read_bytes() for file in files]
    print(f"{len(files)} files, {sum(map(len, texts)) / 1e6:.1f} MB in {folder.name}")
    parsed = median(seconds(lambda: parse(texts)) for _ in range(3))
    linted = median(in_new_process(folder) for _ in range(3))
    print(f"ast.parse {parsed:.2f} s; modscope lint {linted:.2f} s, {linted / parsed:.1f} times as long")
    for name, code in SNIPPETS.items():
        print(f"{name}: {median(wall(code) for _ in range(5)) * 1000:.0f} ms of wall time")


def parse(texts: list[bytes]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for text in texts:
            ast.parse(text)


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def in_new_process(folder: Path) -> float:
    """CPU seconds of linting cold, start-up and imports included."""
    code = f"import time, modscope; modscope.lint([{str(folder)!r}]); print(time.process_time())"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def wall(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
