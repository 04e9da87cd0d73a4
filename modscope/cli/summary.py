"""`modscope summary`: the table of a model."""

from __future__ import annotations

import click

from modscope.cli._target import Look, on_target


@click.command()
@on_target
@click.option("--depth", type=click.IntRange(min=0), help="Hide modules nested deeper.")
@click.option("--columns", metavar="NAME,…", help="Choose the columns; an unknown name lists them all.")
def summary(look: Look, depth: int | None, columns: str | None) -> None:
    """Run TARGET once and print a table of its modules."""
    from modscope import api

    click.echo(str(api.summary(look(), depth=depth, columns=None if columns is None else columns.split(","))))
