"""What a command says when the user stops it (Ctrl-C)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from optogram.cli.console import complain
from optogram.words import counted

STATUS = 130
"""The exit status of a command that was stopped, as shells expect it."""

CONTINUE = "Run the same command again to continue."

_KEY = "optogram.stopped"
_LISTED = 6


def when_stopped(sentence: Callable[[], str]) -> None:
    """Have the running command say ``sentence()`` if it is stopped; "": which files it wrote."""
    click.get_current_context().meta[_KEY] = sentence


def say_stopped(context: click.Context, written: Sequence[Path]) -> None:
    """Say that the command was stopped, and how to go on, or which files are complete."""
    sentence = context.meta.get(_KEY, str)()
    complain(sentence or f"Stopped. {_files(list(dict.fromkeys(written)))}")


def _files(written: list[Path]) -> str:
    if not written:
        return "No file was written."
    shown = ", ".join(map(str, written[-_LISTED:]))
    if len(written) <= _LISTED:
        return f"Complete: {shown}."
    return f"{counted(len(written), 'file')} are complete, the last ones {shown}."
