"""The table."""

from __future__ import annotations

import argparse
from dataclasses import astuple, fields

from tests.zoo import names
from tests.zoo.measure import Result, measure, measure_full_size
from tests.zoo.processes import run_all


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="model types; all of fixtures/zoo.txt without any")
    parser.add_argument("--full", action="store_true", help="at full size under fake()")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    work = measure_full_size if options.full else measure
    columns = [each.name for each in fields(Result)]
    print(" | ".join(columns))
    results = []
    for result in run_all(options.names or names(), work, options.jobs):
        results.append(result)
        print(
            " | ".join(f"{each:.2f}" if isinstance(each, float) else str(each) for each in astuple(result)), flush=True
        )
    ran = [result for result in results if result.ran == "yes"]
    print(f"{len(results)} types: {len(ran)} ran, {sum(r.ran == 'FAILED' for r in results)} failed only when traced,")
    print(f"{sum(r.ran == 'no' for r in results)} do not run plainly with generic inputs")
    for column in ("totals_wrong", "calls_missed", "shapes_wrong", "altered", "residue"):
        print(f"  {column}: {sum(bool(getattr(result, column)) for result in ran)} types")


if __name__ == "__main__":
    main()
