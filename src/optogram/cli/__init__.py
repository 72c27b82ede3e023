"""The command line: thin commands, each of which calls the public API and prints what it says."""

import importlib

import click

import optogram
from optogram.cli.console import say
from optogram.errors import OptogramError

_COMMANDS = (
    "report",
    "predict",
    "inspect",
    "maps",
    "kernels",
    "explain",
    "check",
    "strongest",
    "maximize",
    "train",
)


class _Commands(click.Group):
    """One command a file, imported when it is run; what optogram raises becomes one sentence."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The commands in the order in which `--help` names them."""
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command called ``name``."""
        if name not in _COMMANDS:
            return None
        return getattr(importlib.import_module(f"optogram.cli.{name}"), name)

    def invoke(self, context: click.Context) -> object:
        """Run the command; exit with status 2 where its input cannot be used."""
        from optogram.files import one_run

        try:
            with one_run():
                return super().invoke(context)
        except OptogramError as error:
            say(f"optogram: {error}", err=True)
            context.exit(2)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(optogram.__version__, prog_name="optogram")
def main() -> None:
    """Pictures of what a convolutional network sees.

    `optogram report` with no arguments explains a sample photo with the embedded network and
    needs no internet: open report/index.html afterwards.

    Exit status: 0 if all went well; 1 if photos of several could not be read and were left out; 2
    if nothing could be done with what was given.
    """
