"""HTML pages: their templates, and writing them."""

from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from optogram.files import replacing

if TYPE_CHECKING:
    from optogram.network.network import Network


def templates(package: str) -> jinja2.Environment:
    """The templates in the folder ``package`` of optogram; values are escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("optogram", package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    return environment


def title_of(net: "Network") -> str:
    """What a page calls a network: its file, if it has one, else its name."""
    from optogram.network.opening.named import is_model_file

    return Path(net.origin).name if is_model_file(net.origin) else net.name


def percent(share: float) -> str:
    """A share as text; positive ones are never shown as 0."""
    return "below 0.1%" if 0 < share < 0.001 else f"{share:.1%}"


def write_text(path: Path, text: str) -> None:
    """Write a page, or what belongs to it; only a file that optogram made is replaced."""
    with replacing(path) as part:
        # File names need not be valid text: invalid bytes are escaped as \udcff.
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
