"""Run every bench_*.py here, each in its own process, or those whose names are given.

The peers wait to be named: they need an environment of their own, and `make bench-peers` makes it.
"""

import subprocess
import sys
from pathlib import Path

wanted = sys.argv[1:]
failed = []
for path in sorted(Path(__file__).parent.glob("bench_*.py")):
    name = path.stem.removeprefix("bench_")
    if name in wanted or not (wanted or name == "peers"):
        print(f"\n== {name}: python -m tests.benchmarks.{path.stem}", flush=True)
        if subprocess.run([sys.executable, "-m", f"tests.benchmarks.{path.stem}"]).returncode:
            failed.append(name)
sys.exit(f"did not finish: {', '.join(failed)}" if failed else 0)
