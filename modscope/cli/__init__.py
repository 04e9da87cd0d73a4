"""The command line: one file per command, found by walking; a name with a leading underscore is no command."""

from __future__ import annotations

import codecs
import pkgutil
import sys
from importlib import import_module
from io import TextIOWrapper

import click

from modscope import __version__
from modscope.errors import ModscopeError
from modscope.text import line


class Commands(click.Group):
    """Lists commands without importing them; imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = getattr(import_module(f"modscope.cli.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what goes wrong is told and becomes exit code 2, for 1 says that there are findings."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise  # click's own business
        except (ModscopeError, OSError) as error:
            if ctx.params["debug"]:
                _trace()
            click.echo("\n".join(map(line, f"error: {error}".split("\n"))), err=True)
        except Exception:
            _trace()
            click.echo("error: modscope failed; this is a mistake of its own, not of yours", err=True)
        sys.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="modscope")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """The truth about nn.Module trees: what is registered, what ran, and where the two disagree."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="modscope.drawn")


def _trace() -> None:
    import traceback

    traceback.print_exc()


def _drawn(error: UnicodeError) -> tuple[str, int]:
    """What an encoding lacks: the lines of tables and trees as ASCII draws them, everything else as escapes."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end].translate(str.maketrans("─│├└–·", "-|++--"))
    return lacking.encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error("modscope.drawn", _drawn)
