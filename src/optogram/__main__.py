"""``python -m optogram``: the command line."""

from optogram.cli import main

main(prog_name="optogram")
