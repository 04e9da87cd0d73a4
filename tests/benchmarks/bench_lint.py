"""The linter against `ast.parse` of the same files, and beside others. CPU seconds, each the median of `TURNS`.

    python -m tests.benchmarks.bench_lint [FOLDER]

Without a folder: torch's own `nn`. The corpus of the figures in docs/benchmarks.md is made of transformers, timm and
torch. ruff is measured where it is installed, TorchFix where the environment variable TORCHFIX names its program.
"""

from __future__ import annotations

import ast
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import median

TURNS = 3
LINT = (sys.executable, "-m", "modscope", "lint", "--exit-zero", "--quiet", "--output-file", os.devnull)
COLD = (*LINT, "--no-cache", "--jobs", "1")
CLASS = """
class Net{0}({1}):
    def __init__(self):
        super().__init__()
        self.body{0} = nn.Linear(1, 1)
        self.heads{0} = [nn.Identity(), self.body{0}]

    def forward(self, x):
        return self.body{0}(x)
"""
LINK = """class N{0}({1}):
 def __init__(self):
  super().__init__()
  self.b{0} = nn.Linear(1, 1); self.l{0} = [nn.Linear(1, 1)]
"""
FILES = {
    "without a Module": "x = 1\n",
    "with a Module": "from torch import nn\n"
    + CLASS.format("", "nn.Module").replace("[nn.Identity(), self.body]", "3"),
    "with a finding": "from torch import nn\n"
    + CLASS.format("", "nn.Module").replace("self.body]", "nn.Linear(1, 1)]"),
}


def main() -> None:
    """Print the figures, of compiled files as pip installs them."""
    with tempfile.TemporaryDirectory() as compiled:
        os.environ["PYTHONPYCACHEPREFIX"] = compiled
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        figures()


def figures() -> None:
    """All of them."""
    torch = find_spec("torch")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(torch.origin).parent / "nn" if torch else Path("modscope")
    files = sorted(folder.rglob("*.py"))
    print(f"{len(files)} files, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB in {folder.name}")
    whole(folder, files)
    with tempfile.TemporaryDirectory() as place:
        warm(folder, Path(place))
        small(Path(place))
        growing(Path(place))
        chain(Path(place))
    rules(folder)


def whole(folder: Path, files: list[Path]) -> None:
    """All files cold, each program in turn."""
    ruff, torchfix = shutil.which("ruff", path=Path(sys.executable).parent), os.environ.get("TORCHFIX")
    programs = {"modscope lint": (*COLD, str(folder))}
    if ruff:
        ruff_all = (ruff, "check", "--isolated", "--no-cache", "--select", "ALL", "--exit-zero", "--quiet")
        programs["ruff, ALL"] = (*ruff_all, "--no-respect-gitignore", str(folder))
    if torchfix:
        programs["TorchFix"] = (torchfix, "--select", "ALL", str(folder))
    cpu(programs["modscope lint"])  # compiles
    seconds: dict[str, list[float]] = {"ast.parse": []}
    for _ in range(TURNS):
        seconds["ast.parse"].append(parse(files))
        for name, command in programs.items():
            seconds.setdefault(name, []).append(cpu(command))
    unit = median(seconds["ast.parse"])
    for name, each in seconds.items():
        print(f"{name}: {median(each):.2f} s, {median(each) / unit:.2f} times ast.parse")
    for jobs in ("1", "2"):
        print(f"peak memory with --jobs {jobs}: {peak((*LINT, '--no-cache', '--jobs', jobs, str(folder))):.0f} MiB")


def warm(folder: Path, place: Path) -> None:
    """The same files again, from the cache."""
    command = (*LINT, "--cache-dir", str(place / "cache"), str(folder))
    (place / "empty").mkdir()
    first, nothing = wall(command), (*LINT, "--no-cache", str(place / "empty"))
    again, start = (median(wall(each) for _ in range(TURNS)) for each in (command, nothing))
    print(
        f"all processes that pay: {first:.2f} s of wall time, then from the cache {again:.2f} s; start-up {start:.2f} s"
    )


def small(place: Path) -> None:
    """One file, start-up included."""
    commands = {"bare Python": (sys.executable, "-c", "pass")}
    for name, text in FILES.items():
        (place / f"{name}.py").write_text(text)
        commands[f"one small file {name}"] = (*COLD, str(place / f"{name}.py"))
    times = [{name: wall(command) for name, command in commands.items()} for _ in range(3 * TURNS)]
    figures = {name: median(each[name] for each in times) for name in commands}
    for name, seconds in figures.items():
        print(f"{name}: {seconds * 1000:.0f} ms of wall time, {seconds / figures['bare Python']:.1f} bare starts")


def growing(place: Path) -> None:
    """What a file costs in a small tree and in a large one."""
    base = cpu((*COLD, str(place / "with a finding.py")))
    for count in (100, 1000):
        tree = place / f"tree{count}"
        tree.mkdir()
        for number in range(count):
            above = f"from net{number - 1} import Net{number - 1}\n" if number % 10 else ""
            base_name = f"Net{number - 1}" if above else "nn.Module"
            (tree / f"net{number}.py").write_text("from torch import nn\n" + above + CLASS.format(number, base_name))
        print(f"tree of {count} files: {(cpu((*COLD, str(tree))) - base) / count * 1000:.2f} ms for each")


def chain(place: Path) -> None:
    """What a class costs in a chain in which each inherits from the one above."""
    base = cpu((*COLD, str(place / "with a finding.py")))
    for count in (1000, 10_000):
        classes = (LINK.format(number, f"N{number - 1}" if number else "nn.Module") for number in range(count))
        (place / f"chain{count}.py").write_text("from torch import nn\n" + "".join(classes))
        seconds = cpu((*COLD, str(place / f"chain{count}.py"))) - base
        print(f"chain of {count} classes: {seconds:.2f} s, {seconds / count * 1000:.2f} ms for each")


def rules(folder: Path) -> None:
    """What each rule costs, triggers left out; what rules share is counted for the first that asks."""
    from modscope.config import Config
    from modscope.linter import lint
    from modscope.linter.rules import load, names

    spent: Counter[str] = Counter()
    for name in names():
        rule = load(name)
        object.__setattr__(rule, "check", timed(rule.check, name, spent))
    lint([folder], Config(select=("ALL",), exclude=()))
    print("seconds by rule:", ", ".join(f"{name} {seconds:.2f}" for name, seconds in spent.most_common(12)))


def timed(check, name: str, spent: Counter[str]):
    def measured(place: object) -> Iterator[object]:
        start = time.process_time()
        found = list(check(place))
        spent[name] += time.process_time() - start
        return iter(found)

    return measured


def parse(files: list[Path]) -> float:
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in files:
            ast.parse(file.read_bytes())
    return time.process_time() - start


def cpu(command: tuple[str, ...]) -> float:
    """CPU seconds of a program and of those that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def wall(command: tuple[str, ...]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def peak(command: tuple[str, ...]) -> float:
    """MiB that a program and those that it starts hold at once; what they share is counted once. Linux only."""
    process, most = subprocess.Popen(command), 0
    while process.poll() is None:
        most = max(most, sum(map(held, family(process.pid))))
        time.sleep(0.05)
    return most / 1024


def family(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            found += map(int, text(task).split())
    return found


def held(pid: int) -> int:
    lines = text(Path(f"/proc/{pid}/smaps_rollup")).splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has just ended
        return ""


if __name__ == "__main__":
    main()
