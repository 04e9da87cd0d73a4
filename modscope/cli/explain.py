"""`modscope explain [RULE]`."""

from __future__ import annotations

import click


@click.command()
@click.argument("rule", required=False)
def explain(rule: str | None) -> None:
    """Print the page of a rule, or the list of all."""
    from modscope.explain import listing, page

    click.echo(listing() if rule is None else page(rule).terminal())
