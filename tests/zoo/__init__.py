"""Real architectures from transformers, built from their configurations: what modscope says beside the truth.

`python -m tests.zoo` prints one table over fixtures/zoo.txt; names given run only those; `--full` traces each at full
size under `fake()`. The truth is independent of modscope: torch's global hooks, `sum(p.numel())`, a plain run with
the same seed.
"""

from pathlib import Path

LIST = Path(__file__).parents[2] / "fixtures" / "zoo.txt"


def names() -> list[str]:
    """The model types of the list."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
