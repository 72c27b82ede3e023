"""The report: one HTML page on what a network sees in photos, and why it predicts a class."""

import os
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2

from optogram.arguments import checked, whole
from optogram.errors import OutputError
from optogram.files import MARK, one_run, replacing, require_place
from optogram.network.network import Network
from optogram.progress import Meter, ShownProgress, reporting
from optogram.render import compact
from optogram.reporting.content import Anatomy, Section, anatomy, section, units
from optogram.reporting.photos import each, read_photo

_NETWORK_UNITS = 5
_FITS = {
    "stretch": "photos stretched to fit",
    "crop": "the center of each photo",
    "pad": "photos padded with gray",
}


@checked
@one_run()
def report(
    net: Network,
    images: Any,
    out: str | os.PathLike = "report",
    *,
    top: int = 3,
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Path:
    """Write an HTML page on what a network sees in photos, and why it predicts a class.

    For each photo: predictions; Grad-CAM, saliency and occlusion for the top classes; feature maps
    of each block of the network. Then the kernels of the first layer, and a table of all layers.
    The page is a single file that needs no server and no internet.

    Parameters
    ----------
    net : Network
        The network.
    images : path, PIL image, array of shape (H, W, C) or (H, W) in 0..255, or a list of these
        The photos; they may differ in size. An iterator, also of batches from `Network.prepare`,
        is read one photo at a time, so that only one is in memory.
    out : path
        Folder for the page, created if missing. An earlier report is replaced when the new one is
        complete, and kept if the work is interrupted. An ``index.html`` that is not a report of
        optogram is never replaced.
    top : int
        Number of classes to explain, at least 1.
    fit : {"stretch", "crop", "pad"}, optional
        How photos are brought to the input size; see `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    Path
        The page, ``out/index.html``.

    Raises
    ------
    InputError
        If a photo or an option cannot be used.
    OutputError
        If the page cannot be written, or would replace a file that optogram did not make; checked
        before anything is computed.
    """
    top = whole("top", top, 1)
    page = Path(out) / "index.html"
    _check_writable(page)
    photos = [read_photo(net, source, number, fit) for number, source in enumerate(each(images), 1)]
    with reporting(progress) as told:
        meter = Meter(told, len(photos) * units(net) + _NETWORK_UNITS)
        sections = [
            section(net, photo, f"photo-{number}", top, memory, meter)
            for number, photo in enumerate(photos, 1)
        ]
        with meter.part(_NETWORK_UNITS, "the network itself"):
            fits = list(dict.fromkeys(photo.fit for photo in photos))
            resamples = list(dict.fromkeys(photo.resample for photo in photos))
            html = _html(net, sections, anatomy(net), fits, resamples)
            with replacing(page) as part:
                # File names need not be valid text: invalid bytes are escaped as \udcff.
                part.write_text(html, encoding="utf-8", errors="backslashreplace")
        meter.finish()
    return page


def _html(
    net: Network,
    sections: Sequence[Section],
    own: Anatomy,
    fits: Sequence[str],
    resamples: Sequence[str],
) -> str:
    resized = f"{', '.join(_FITS[fit] for fit in fits)}, {' and '.join(resamples)} resampling"
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("optogram", "reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        compact=compact, percent=_percent, sentence=_sentence, size="{0[0]}×{0[1]}".format
    )
    return environment.get_template("page.html.j2").render(
        net=net,
        sections=sections,
        own=own,
        mark=MARK,
        fitted="photos as they are" if None in net.size else resized,
        is_all_seen=fits == ["stretch"],
        made=datetime.fromisoformat(own.provenance["time"]).strftime("%d %B %Y, %H:%M UTC"),
    )


def _percent(share: float) -> str:
    """A probability as text; positive ones are never shown as 0."""
    return "below 0.1%" if 0 < share < 0.001 else f"{share:.1%}"


def _sentence(text: str) -> str:
    """``text`` with a capital first letter."""
    return text[:1].upper() + text[1:]


def _check_writable(page: Path) -> None:
    """Create the folder of ``page``; raise OutputError unless a file can be written into it."""
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=page.parent):
            pass
    except FileExistsError as error:
        raise OutputError(f"{page.parent} is a file: give the name of a folder.") from error
    except OSError as error:
        raise OutputError(f"{page} cannot be written: {error.strerror}.") from error
    if page.is_dir():
        raise OutputError(f"{page} is a folder: give another folder for the report.")
    require_place(page)
