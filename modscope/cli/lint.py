"""`modscope lint [PATHS…]`: the report on standard output, everything else on standard error."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import click

from modscope.errors import ModscopeError

if TYPE_CHECKING:
    from modscope.config import Names
    from modscope.findings import Report


def _names(context: click.Context, option: click.Parameter, given: Names) -> Names | None:
    """`--select a,b --select c` is three names; an option that is not there is None."""
    return tuple(filter(None, (name.strip() for each in given for name in each.split(",")))) if given else None


RULES: dict[str, Any] = {"metavar": "RULES", "multiple": True, "callback": _names}


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(), metavar="[PATHS]...")
@click.option("--select", **RULES, help="Run these rules only; ALL is every rule.")
@click.option("--extend-select", **RULES, help="Run these rules too.")
@click.option("--ignore", **RULES, help="Leave these rules out.")
@click.option("--per-file-ignores", **RULES | {"metavar": "PATTERN:RULE"}, help="Leave a rule out in these files.")
@click.option("--exclude", **RULES | {"metavar": "PATTERNS"}, help="Leave these files out, instead of .venv, build, …")
@click.option("--extend-exclude", **RULES | {"metavar": "PATTERNS"}, help="Leave these files out too.")
@click.option("--force-exclude", is_flag=True, help="Leave excluded files out even where PATHS name them.")
@click.option("--config", type=click.Path(), help="Take the settings of this file instead of the nearest.")
@click.option("--fix", is_flag=True, help="Mend what has a safe fix.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix and --diff: unsafe fixes too.")
@click.option("--diff", is_flag=True, help="Print what --fix would change, and change nothing.")
@click.option("--show-fixes", is_flag=True, help="List what was mended.")
@click.option("--add-ignores", is_flag=True, help="Put a comment that ignores them on each line with findings.")
@click.option("--output-format", default="full", metavar="FORMAT", help="full, concise, json, sarif, github, …")
@click.option("--output-file", type=click.Path(), help="Write the report into this file.")
@click.option("--statistics", is_flag=True, help="Print how often each rule was broken instead.")
@click.option(
    "--stdin-filename", default="-", metavar="PATH", help='What to call standard input, which is the path "-".'
)
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache.")
@click.option("--cache-dir", type=click.Path(), help="Where the cache is.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many processes; by default as many as pay.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 even when there are findings.")
@click.option("-q", "--quiet", is_flag=True, help="Print the report and nothing else.")
def lint(paths: Names, output_format: str, output_file: str | None, **given: Any) -> None:
    """Find the mistakes of nn.Module code in Python files, notebooks and folders.

    Nothing that is read is imported or run, and torch is not needed. Exits 0 without findings or with advice only,
    1 with findings (with --diff: if something would change), 2 after a mistake in the command or the settings.
    """
    from modscope import reports

    atexit.register(gc.freeze)  # what is left when the process ends need not be looked through for circles
    if given["diff"] and given["add_ignores"]:
        raise ModscopeError("--diff changes nothing, so it does not go with --add-ignores")
    given["fix"] = given["fix"] and not given["diff"]
    if given["add_ignores"] and paths == ("-",):
        raise ModscopeError("--add-ignores needs files to write into; standard input is none")
    form = "diff" if given["diff"] else "statistics" if given["statistics"] else output_format
    options = reports.options(form)  # a format that does not exist is told before the work, not after it
    report = _report(paths, **given)
    mended_input = paths == ("-",) and given["fix"]
    color = {"color": True} if "color" in options and output_file is None and not mended_input and _colorful() else {}
    _print(reports.render(report, form, **color), output_file, err=mended_input)
    if not given["quiet"]:
        _remark(report, given["show_fixes"], given["diff"])
    failed = bool(report.rewrites) if given["diff"] else report.failed
    sys.exit(1 if failed and not given["exit_zero"] else 0)


def _report(paths: Names, *, config: str | None, stdin_filename: str, **given: Any) -> Report:
    """Lint what was asked for, with the settings that hold there."""
    from modscope import linter
    from modscope.cli._progress import progress
    from modscope.config import finder, load
    from modscope.linter.text import LARGEST

    layer: dict[str, Any] = {name: given[name] or () for name in ("extend_select", "ignore", "extend_exclude")}
    layer |= {name: given[name] for name in ("select", "per_file_ignores", "exclude", "force_exclude")}
    settings: linter.Settings = finder(**layer)
    if config is not None:
        settings = load(config, root=".").override(**layer)
    level: Literal["safe", "unsafe"] = "unsafe" if given["unsafe_fixes"] else "safe"
    fix = level if given["fix"] or given["diff"] else None
    if paths == ("-",):
        if sys.stdin is None:
            raise ModscopeError("standard input is closed")
        text = sys.stdin.buffer.read(LARGEST + 1)  # that much shows that it is too long, and it may have no end
        report = linter.lint_source(text, filename=stdin_filename, config=settings, fix=fix)
        if given["fix"]:
            click.echo(report.rewrites[0].after if report.rewrites else text, nl=False)
            while rest := sys.stdin.buffer.read(LARGEST):
                click.echo(rest, nl=False)
        return report
    with progress(given["quiet"]) as show:
        report = linter.lint(
            paths or (".",),
            settings,
            fix=fix,
            write=not given["diff"],
            cache=not given["no_cache"],
            cache_dir=given["cache_dir"],
            jobs=given["jobs"],
            progress=show,
        )
    if given["add_ignores"]:
        from modscope.linter.ignores import add_ignores

        return add_ignores(report)
    return report


def _print(text: str, file: str | None, err: bool) -> None:
    if file is not None:
        from modscope import atomic

        atomic.write(file, f"{text}\n".encode() if text else b"")
    elif text and (err or sys.stdout is not None):  # which is None where it was closed before
        encoding = (sys.stderr if err else sys.stdout).encoding  # what it lacks is shown as escapes
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=err)


def _colorful() -> bool:
    return sys.stdout is not None and sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _remark(report: Report, show_fixes: bool, diff: bool) -> None:
    """What is no finding: what was skipped, what was mended, the sums."""
    from modscope.text import inline

    def say(text: str) -> None:
        click.echo(inline(text), err=True)

    for skip in report.skipped:
        say(f"skipped {skip.file}: {skip.reason}")
    if show_fixes and not diff:
        mended = Counter((finding.location.file, finding.rule) for finding in report.fixed if finding.location)
        for (file, rule), count in sorted(mended.items()):
            say(f"mended {file}: {count} × {rule}")
    if diff:
        say(f"would mend {_count(len(report.fixed), 'finding')} in {_count(len(report.rewrites), 'file')}")
    else:
        say(_sums(report))


def _sums(report: Report) -> str:
    """`found 3 findings in 12 files, mended 2; 1 can be mended with --fix`."""
    parts = [f"found {_count(len(report), 'finding')} in {_count(report.files, 'file')}"]
    parts += [f", mended {len(report.fixed)}"] * bool(report.fixed)
    for safe, options in ((True, "--fix"), (False, "--fix --unsafe-fixes")):
        count = sum(finding.fix is not None and finding.fix.safe is safe for finding in report)
        parts += [f"; {count} can be mended with {options}"] * bool(count)
    return "".join(parts)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
