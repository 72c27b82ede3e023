"""Options that choose what a command prints."""

from collections.abc import Callable
from typing import Any

import click

from optogram.cli.console import FORMAT, QUIET


def quiet_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--quiet``."""
    return click.option(
        "--quiet",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_quiet,
        help="Print nothing but errors.",
    )(command)


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--json``, ``--csv`` and ``--quiet``."""
    for option in (
        quiet_option,
        click.option(
            "--csv",
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_set_format,
            help="Print a CSV table on standard output, and nothing else there.",
        ),
        click.option(
            "--json",
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_set_format,
            help="Print one JSON document on standard output, and nothing else there.",
        ),
    ):
        command = option(command)
    return command


def _set_quiet(context: click.Context, option: click.Parameter, value: bool) -> None:
    context.meta[QUIET] = value


def _set_format(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value and context.meta.setdefault(FORMAT, option.name) != option.name:
        raise click.UsageError("--json and --csv exclude each other: give one of them.")
