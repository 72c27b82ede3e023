"""The command line: thin commands that call the public API and print its results."""

import difflib
import importlib
import os
from typing import Any

import click

import optogram
from optogram.cli.advice import in_options
from optogram.cli.console import complain
from optogram.cli.stopping import STATUS, say_stopped
from optogram.errors import OptogramError

_COMMANDS = (
    "report",
    "predict",
    "inspect",
    "maps",
    "kernels",
    "explain",
    "intervene",
    "ablate",
    "check",
    "strongest",
    "concepts",
    "atlas",
    "audit",
    "evaluate",
    "explore",
    "maximize",
    "survey",
    "microscope",
    "train",
    "completion",
)


class _Commands(click.Group):
    """A group that imports each command when it is run and prints optogram's errors as one line."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The commands in the order in which ``--help`` lists them."""
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command called ``name``."""
        if name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(f"optogram.cli.{name}"), name)
        if context.resilient_parsing:  # for tab completion
            importlib.import_module("optogram.cli.completing.offers").complete(command)
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command and its arguments; the error for an unknown one names the nearest."""
        name = args[0]
        if name in _COMMANDS or name.startswith("-") or context.resilient_parsing:
            return super().resolve_command(context, args)
        raise click.UsageError(f"No command is called {name!r}: {_instead_of(name)}", context)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line, or tab completion if a shell's script asks for it."""
        if "_OPTOGRAM_COMPLETE" in os.environ:
            importlib.import_module("optogram.cli.completing.shells").register()
        return super().main(*args, **kwargs)

    def invoke(self, context: click.Context) -> object:
        """Run the command.

        Exit with status 2 if the input cannot be used, with 130 if the user stops it.
        """
        from optogram.files import one_run

        try:
            with one_run() as written:
                return super().invoke(context)
        except KeyboardInterrupt:
            say_stopped(context, written)
            context.exit(STATUS)
        except OptogramError as error:
            command = self.get_command(context, context.invoked_subcommand or "")
            complain(f"optogram: {in_options(str(error), command)}")
            context.exit(2)


def _instead_of(name: str) -> str:
    """What to run instead of a command that does not exist."""
    if name == "help":
        return "run optogram --help."
    from optogram.methods import ATTRIBUTIONS

    method = name.lower().replace("-", "_")
    if method in ATTRIBUTIONS or (method := method.replace("_", "")) in ATTRIBUTIONS:
        return f"it is a method, optogram explain PHOTO --method {method}."
    near = difflib.get_close_matches(name, _COMMANDS)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"choose {', '.join(_COMMANDS[:-1])} or {_COMMANDS[-1]}."


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(optogram.__version__, prog_name="optogram")
def main() -> None:
    """Show what a convolutional network sees.

    Without arguments, `optogram report` explains a sample photo with the embedded network, offline.
    Then open report/index.html.

    Exit status: 0 on success; 1 if some of several photos could not be read and were skipped; 2 if
    the command failed; 130 if it was stopped (Ctrl-C).
    """
