"""What commands say on the terminal."""

import sys

import click

from optogram.words import printable


def say(*lines: object, err: bool = False) -> None:
    """Print ``lines``, one each, on standard output or error.

    Names and labels of anyone's may be in them: whatever could move the cursor, turn the direction
    of writing or begin a line of its own is written out, as in ``repr``.
    """
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = "\n".join(printable(str(line)) for line in lines)
    # A terminal need not know every letter.
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=err)
