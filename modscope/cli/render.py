"""`modscope render`: a model as a picture, a page or data."""

from __future__ import annotations

from pathlib import Path

import click

from modscope.cli._target import Look, on_target
from modscope.errors import ModscopeError, NoLayoutEngine


@click.command()
@on_target
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@click.option("--format", help="What to write; the ending of the file's name unless given.")
@click.option("--depth", type=click.IntRange(min=0), help="Hide modules nested deeper.")
@click.option("--direction", type=click.Choice(["TB", "LR"]), help="Draw from top to bottom, or left to right.")
def render(look: Look, output: Path, format: str | None, depth: int | None, direction: str | None) -> None:
    """Run TARGET once and write a picture or the data."""
    from modscope import api, renderers

    wanted = format or output.suffix.removeprefix(".")
    if wanted not in renderers.formats():
        raise ModscopeError(
            f"no format {wanted!r} to write {str(output)!r} in; formats are {', '.join(renderers.formats())}"
        )
    options = {"depth": depth, "direction": direction}
    given = {name: value for name, value in options.items() if value is not None}
    seen = look()
    try:
        api.save(seen, output, wanted, **given)
    except NoLayoutEngine:
        source = output.with_suffix(".dot")
        api.save(seen, source, "dot", **given)
        click.echo(f"wrote {source}, the source of the picture")
        raise
    click.echo(f"wrote {output}")
