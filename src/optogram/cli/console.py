"""Printing to the terminal."""

import sys
from contextlib import AbstractContextManager, nullcontext

import click

from optogram.progress import Progress, progress_bar, silent
from optogram.words import printable

FORMAT, QUIET = "optogram.format", "optogram.quiet"
"""What the options of `optogram.cli.options.output` set in the ``meta`` of click's context."""


def output_format() -> str:
    """What the command prints on standard output: "text", "json" or "csv"."""
    return str(_meta().get(FORMAT, "text"))


def is_quiet() -> bool:
    """Whether nothing but errors is printed on standard error."""
    return bool(_meta().get(QUIET))


def say(*lines: object, err: bool = False) -> None:
    """Print ``lines`` on standard output, or notes on standard error.

    Standard output stays free for JSON and CSV if the user asked for one of them, and nothing is
    printed if the user asked for quiet.

    Names and labels can come from untrusted files: characters that move the cursor, change the
    writing direction or start a new line are escaped as in ``repr``.
    """
    if not is_quiet() and (err or output_format() == "text"):
        _print(lines, err)


def complain(*lines: object) -> None:
    """Print an error on standard error, whatever the options say."""
    _print(lines, err=True)


def shown_progress() -> AbstractContextManager[Progress]:
    """A ``progress`` callable, with a bar on standard error unless the user asked for quiet."""
    return nullcontext(silent) if is_quiet() else progress_bar()


def _meta() -> dict[str, object]:
    context = click.get_current_context(silent=True)
    return context.meta if context else {}


def _print(lines: tuple[object, ...], err: bool) -> None:
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = "\n".join(printable(str(line)) for line in lines)
    # A terminal need not know every letter.
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=err)
