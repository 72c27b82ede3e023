"""Printing to the terminal."""

import sys

import click

from optogram.words import printable


def say(*lines: object, err: bool = False) -> None:
    """Print ``lines`` on standard output or standard error.

    Names and labels can come from untrusted files: characters that move the cursor, change the
    writing direction or start a new line are escaped as in ``repr``.
    """
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = "\n".join(printable(str(line)) for line in lines)
    # A terminal need not know every letter.
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=err)
