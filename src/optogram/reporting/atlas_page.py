"""The page of an activation atlas: zoomable, offline."""

import os
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from optogram.arguments import checked
from optogram.errors import OutputError
from optogram.files import MARK, kind_at, require_place
from optogram.pages import templates, write_text
from optogram.progress import ShownProgress, reporting
from optogram.render import atlas as drawn
from optogram.render import grid, visible, write
from optogram.result import ActivationAtlas

_BLOCK = 8
"""Rows, and columns, of cells in one tile."""
_CROP = 64
"""Side of a crop in pixels."""
_CROPS = 8
"""Crops for each cell."""
_QUALITY = 85
_SMALLEST_ICON = 56
"""Icons are enlarged by a whole factor to this side in pixels, at least."""
_TILES, _PIECES = "tiles", "crops"


@checked
def atlas_page(
    atlas: ActivationAtlas,
    out: str | os.PathLike = "atlas",
    *,
    progress: ShownProgress = None,
) -> Path:
    """Write an activation atlas as a zoomable page, for a browser and without a server.

    The page shows the coarse grids from afar and the fine ones from near; pictures are loaded when
    they are seen. It says the class and the number of samples of the cell under the pointer, and
    shows crops of the photos in it.

    Parameters
    ----------
    atlas : ActivationAtlas
        The atlas. Its photos must still be there: crops of others are left out.
    out : path
        Folder of the page, which is created if needed: ``index.html``, ``tiles/``, ``crops/``.
        Only files that optogram made are replaced.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    Path
        ``index.html``.

    Raises
    ------
    OutputError
        If the folder cannot be written, or has files that would be replaced and that optogram did
        not make.
    """
    folder = _folder(Path(out))
    blocks = defaultdict[tuple[int, int, int], list[int]](list)
    for cell, (side, (row, column)) in enumerate(
        zip(atlas.cell_grids.tolist(), atlas.places.tolist(), strict=True)
    ):
        blocks[side, row // _BLOCK, column // _BLOCK].append(cell)
    page = folder / "index.html"
    for path in (page, *(_path(folder, place, at) for at in blocks for place in (_TILES, _PIECES))):
        require_place(path)
    with reporting(progress) as told:
        shown = _members(atlas)
        pieces: dict[int, Image.Image] = {}
        wanted = sorted({sample for own in shown for sample in own})
        for done, (sample, crop) in enumerate(atlas.crops(wanted), 1):
            pieces[sample] = ImageOps.pad(crop, (_CROP, _CROP), color="white")
            told(done, len(wanted), "crops")
        found = [[sample for sample in own if sample in pieces] for own in shown]
        icon = _side(atlas)
        for done, (at, cells) in enumerate(blocks.items(), 1):
            _write_tile(atlas, cells, icon, _path(folder, _TILES, at))
            crops = [pieces[sample] for cell in cells for sample in found[cell]]
            if crops:
                _write_crops(crops, _path(folder, _PIECES, at))
            told(done, len(blocks), "tiles")
    environment = templates("reporting/atlas")
    content = environment.get_template("page.html.j2").render(
        mark=MARK,
        atlas=atlas,
        coarse=atlas.grids[min(atlas.grids)],
        network=atlas.provenance["network"],
        photos=len(atlas.photos) - len(atlas.unread),
        data=_data(atlas, blocks, found, icon),
    )
    write_text(page, content)  # last: what it refers to is there
    return page


def _folder(folder: Path) -> Path:
    """Create the folders of the page; raise OutputError unless they can be written into."""
    try:
        for place in (folder, folder / _TILES, folder / _PIECES):
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=place):
                pass
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(f"{place} is a file: give another folder for the page.") from error
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.") from error
    if kind_at(folder) != "folder":
        raise OutputError(f"{folder} is not a folder: give another one for the page.")
    return folder


def _path(folder: Path, place: str, at: tuple[int, int, int]) -> Path:
    """The file of a block of cells; the page composes the same name."""
    return folder / place / "{}-{}-{}.webp".format(*at)


def _side(atlas: ActivationAtlas) -> int:
    """Side of an icon in tiles in pixels."""
    side = max(atlas.icons.shape[1:3])
    return side * max(1, -(-_SMALLEST_ICON // side))


def _members(atlas: ActivationAtlas) -> list[list[int]]:
    """For each cell the samples whose crops are shown: of distinct photos as far as there are."""
    shown = []
    for own in atlas.members:
        known = own[own >= 0]
        _, first = np.unique(atlas.sampled[known], return_index=True)
        others = np.setdiff1d(np.arange(len(known)), first)
        chosen = [*np.sort(first), *others][:_CROPS]
        shown.append(known[chosen].tolist())
    return shown


def _write_tile(atlas: ActivationAtlas, cells: list[int], side: int, path: Path) -> None:
    """The icons of one block, at their places."""
    places = [tuple(place) for place in (atlas.places[cells] % _BLOCK).tolist()]
    icons = [visible(atlas.icons[cell]) for cell in cells]
    write(drawn(icons, places, _BLOCK, side), path, quality=_QUALITY)


def _write_crops(crops: list[Image.Image], path: Path) -> None:
    """The crops of one block, one after the other."""
    sheet = grid(crops, columns=min(_CROPS, len(crops)), cell=_CROP, margin=0)
    write(sheet, path, quality=_QUALITY)


def _data(
    atlas: ActivationAtlas,
    blocks: dict[tuple[int, int, int], list[int]],
    found: list[list[int]],
    icon: int,
) -> dict[str, Any]:
    """What the page's program reads."""
    first: dict[int, int] = {}
    for cells in blocks.values():
        count = 0
        for cell in cells:
            first[cell] = count
            count += len(found[cell])
    columns = {
        cell: min(_CROPS, sum(len(found[one]) for one in cells))
        for cells in blocks.values()
        for cell in cells
    }
    names: dict[str, int] = {}
    classes = sorted({int(index) for index in atlas.classes if index >= 0})
    grids = [
        {
            "side": side,
            "cells": [
                {
                    "row": int(row),
                    "column": int(column),
                    "count": int(atlas.counts[cell]),
                    "class": classes.index(atlas.classes[cell]) if atlas.classes[cell] >= 0 else -1,
                    "contribution": round(float(atlas.contributions[cell]), 3),
                    "first": first[cell],
                    "wide": columns[cell],
                    "photos": [
                        names.setdefault(Path(atlas.photos[atlas.sampled[sample]]).name, len(names))
                        for sample in found[cell]
                    ],
                }
                for cell, row, column in zip(own.cells.tolist(), own.rows, own.columns, strict=True)
            ],
        }
        for side, own in atlas.grids.items()
    ]
    return {
        "icon": icon,
        "block": _BLOCK,
        "crop": _CROP,
        "classes": [atlas.labels[index] for index in classes],
        "photos": list(names),
        "grids": grids,
    }
