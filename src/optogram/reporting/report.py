"""The report: one HTML page on what a network sees in photos, and why it predicts a class."""

import base64
import hashlib
import os
import tempfile
from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from optogram.arguments import checked, whole
from optogram.box import Box
from optogram.errors import InputError, OutputError
from optogram.files import MARK, one_run, require_place
from optogram.methods import named_methods
from optogram.network.network import Network
from optogram.pages import templates, title_of, write_text
from optogram.progress import Meter, ShownProgress, reporting
from optogram.render import compact
from optogram.reporting.content import CHECK_STEPS, anatomy, section, units
from optogram.reporting.parts import Anatomy, Section, Settings
from optogram.reporting.patterns import Patterns
from optogram.reporting.photos import each, read_photo
from optogram.reporting.truth import true_classes
from optogram.target import Class, Target, targets_of
from optogram.words import counted

_NETWORK_UNITS = 5
_FEW = 12
"""With more photos, pictures are smaller."""
_FULL: dict[str, int] = {"maps": 64, "mosaic": 1000, "photo": 640}
_SMALL: dict[str, int] = {"maps": 36, "mosaic": 480, "photo": 320}
DEFAULT_METHODS = ("gradcam", "saliency", "occlusion")
_UNCOMPILED = 4
"""With more photos, compiling the programs takes less time than it saves."""
_CHECKED_PHOTOS = 4
"""With more photos, checks are made only if asked for."""
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
    target: Any = None,
    methods: str | Sequence[str] = DEFAULT_METHODS,
    truth: Any = None,
    check: bool | None = None,
    patterns: bool | None = None,
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Path:
    """Write an HTML page on what a network sees in photos, and why it predicts a class.

    For each photo: predictions; maps of each of the ``methods`` for the top classes and for the
    difference of runner-up and winner, with sanity checks; feature maps of each block of the
    network, and its strongest filters. Then the kernels of the first layer, and a table of all
    layers. The page is a single file that needs no server and no internet. With more than 12
    photos, its pictures are smaller.

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
    target : int, str, Class, Box or a list of these, optional
        Classes to explain in each photo instead of the top ones, by index, name or WordNet id. If
        the network scores classes at every position, or for boxes, there are no top ones: classes
        in a region, `og.Class(3, region)`, or boxes, `og.Box(3, region)`; a class of a detector is
        its best box.
    methods : str or sequence of str
        Attribution methods by name, "common" or "all"; see ``docs/which_method.md``.
    truth : path, True, or sequence of int or str, optional
        True classes: a CSV file with the columns photo and label, or one class per photo; True:
        the name of each photo's folder. The page marks right and wrong predictions, and a wrong
        one is compared with the true class instead of the runner-up.
    check : bool, optional
        Whether the maps of each photo's first class are checked by `check`, with 6 steps: all
        (True), or none (False). None: that of the first method, for up to 4 photos.
    patterns : bool, optional
        Whether to show the images that maximize the strongest filters of each block. They are kept
        in the user's cache folder, because they do not depend on photos. None: show those that are
        there already, and compute none.
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
    targets, chosen = _targets(net, target), tuple(named_methods(methods, "methods"))
    page = Path(out) / "index.html"
    _check_writable(page)
    photos = [read_photo(net, source, number, fit) for number, source in enumerate(each(images), 1)]
    true = true_classes(net, photos, truth)
    settings = Settings(
        top=top,
        targets=targets,
        methods=chosen,
        checked=_checked(check, chosen, len(photos)),
        patterns=None if patterns is False else Patterns(net, bool(patterns), memory),
        memory=memory,
        **(_FULL if len(photos) <= _FEW else _SMALL),
    )
    asked = net.uncompiled() if len(photos) <= _UNCOMPILED else net
    with reporting(progress) as told:
        meter = Meter(told, len(photos) * units(net, settings) + _NETWORK_UNITS)
        sections = [
            section(asked, photo, f"photo-{number}", own, settings, meter)
            for number, (photo, own) in enumerate(zip(photos, true, strict=True), 1)
        ]
        with meter.part(_NETWORK_UNITS, "the network itself"):
            fits = list(dict.fromkeys(photo.fit for photo in photos))
            resamples = list(dict.fromkeys(photo.resample for photo in photos))
            html = _html(net, sections, anatomy(net), fits, resamples)
            write_text(page, html)
        meter.finish()
    return page


def _checked(check: bool | None, methods: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The methods whose maps are checked in a report on ``count`` photos."""
    if check is None:
        return methods[:1] if count <= _CHECKED_PHOTOS else ()
    return methods if check else ()


def _html(
    net: Network,
    sections: Sequence[Section],
    own: Anatomy,
    fits: Sequence[str],
    resamples: Sequence[str],
) -> str:
    resized = f"{', '.join(_FITS[fit] for fit in fits)}, {' and '.join(resamples)} resampling"
    environment = templates("reporting")
    environment.filters.update(
        compact=compact, counted=counted, sentence=_sentence, size="{0[0]}×{0[1]}".format
    )
    script = resources.files("optogram.reporting").joinpath("page.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    return environment.get_template("page.html.j2").render(
        net=net,
        sections=sections,
        own=own,
        mark=MARK,
        title=title_of(net),
        script=Markup(script),
        # Only this script runs, whatever labels and file names contain.
        script_hash=base64.b64encode(digest).decode("ascii"),
        check_steps=CHECK_STEPS,
        rights=[section.is_right for section in sections if section.is_right is not None],
        fitted="photos as they are" if None in net.size else resized,
        is_all_seen=fits == ["stretch"],
        made=datetime.fromisoformat(own.provenance["time"]).strftime("%d %B %Y, %H:%M UTC"),
    )


def _targets(net: Network, target: Any) -> tuple[Target, ...]:
    """What is asked for, without duplicates."""
    if target is None:
        return ()
    found: dict[Target, None] = {}
    for one in targets_of(target):
        if isinstance(one, Class) and one.region is None:
            index = net.class_index(one.label)
            found[Box(index) if net.head.scores_boxes else Class(index)] = None
        elif net.head.is_spatial and isinstance(one, Box | Class):
            one.describe(net)  # raises where there is no such class
            found[one] = None
        else:
            kinds = "classes, regions (Class) and boxes (Box)" if net.head.is_spatial else "classes"
            raise InputError(f"The targets of a report are {kinds}: give indices, names or ids.")
    return tuple(found)


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
