"""What a command found, for programs: one JSON document or one CSV table on standard output.

docs/machine_readable.md describes the keys and columns of every command.
"""

import csv
import io
import json
import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
import numpy as np

import optogram
from optogram.cli.console import output_format
from optogram.words import printable

if TYPE_CHECKING:
    from optogram.network.network import Network


class Records:
    """The table and the document of a command; each method does nothing unless it is asked for.

    Parameters
    ----------
    columns : str
        The columns of the table. Cells that a row does not have are empty.
    """

    def __init__(self, *columns: str) -> None:
        self._columns = columns
        self._is_table, self._is_document = (output_format() == kind for kind in ("csv", "json"))
        self._begun = False

    def row(self, **cells: Any) -> None:
        """Print one row of the table, after the header if it is the first."""
        if self._is_table:
            self._begin()
            self._print_cells([_cell(cells.get(column)) for column in self._columns])

    def finish(self, net: "Network", **content: Any) -> None:
        """Print the document, or the header of a table without rows."""
        if self._is_table:
            self._begin()
        if self._is_document:
            network = {"name": net.name, "origin": net.origin, "warnings": net.warnings}
            command = click.get_current_context().command.name
            head = {"optogram": optogram.__version__, "command": command, "network": network}
            _print(json.dumps(_plain(head | content), indent=1) + "\n")

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._print_cells(self._columns)

    @staticmethod
    def _print_cells(cells: Any) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        _print(line.getvalue())


def _print(text: str) -> None:
    """Print exactly ``text``, but nothing that would move the cursor of a terminal."""
    if sys.stdout.isatty():
        text = "\n".join(map(printable, text.split("\n")))
    # Names of files need not be text: their bytes come back.
    click.echo(text.encode("utf-8", "surrogateescape"), nl=False)


def _plain(value: Any) -> Any:
    """``value`` in types of JSON: numbers in full, null for NaN and infinity."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | range | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _cell(value: Any) -> Any:
    """``value`` in a cell: empty for None, NaN and infinity; lists and truth values as JSON."""
    value = _plain(value)
    if isinstance(value, list | dict | bool):
        return json.dumps(value)
    return value
