"""The windows of photos that activate units, cut from the photos again for display."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from optogram.errors import OptogramError
from optogram.files import kind_at
from optogram.pictures.fit import fit_picture
from optogram.pictures.photo_set import PhotoSet
from optogram.pictures.read import read_picture
from optogram.render import resized, visible
from optogram.render.canvas import PAPER
from optogram.render.grid import fit

_KEPT = 64
"""Photos that are kept: units of a layer share many."""

Window = Sequence[float]
"""Top, left, bottom, right in pixels of the network's input."""


class Crops:
    """Photos of a survey as the network sees them: at its input size, with its channels.

    Parameters
    ----------
    origin : str
        Folder or file that the names of photos belong to; "" if they came from a list.
    identity : mapping
        "size", "fit" and "resample" of the survey.
    channels : int
        Number of image channels of the network.
    """

    def __init__(self, origin: str, identity: Mapping[str, Any], channels: int) -> None:
        self._origin, self._identity, self._channels = origin, identity, channels
        self._kept: OrderedDict[str, Image.Image | None] = OrderedDict()

    def photo(self, name: str) -> Image.Image | None:
        """A photo; None if it is no longer there, or cannot be read."""
        if name not in self._kept:
            self._kept[name] = self._read(name)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept[name]

    def cut(self, name: str, window: Window, cell: int) -> Image.Image | None:
        """The ``window`` of a photo, its longer side ``cell`` pixels; None if the photo is gone."""
        photo = self.photo(name)
        return None if photo is None else scaled(photo.crop(_box(photo, window)), cell)

    def _read(self, name: str) -> Image.Image | None:
        how = self._identity
        try:
            source = self._source(name)
            if source is None:
                return None
            picture = read_picture(source, self._channels)
            seen = fit_picture(picture, tuple(how["size"]), how["fit"], how["resample"])
        # A survey outlives its photos: what is left of it is shown.
        except OptogramError:
            return None
        return visible(np.rint(seen).clip(0, 255).astype(np.uint8))

    def _source(self, name: str) -> Any:
        path = Path(self._origin, name)
        if kind_at(path) == "file":
            return path
        number = self._numbers.get(name)
        return None if number is None or self._photos is None else self._photos.source(number)

    @cached_property
    def _photos(self) -> PhotoSet | None:
        """The photos of an array or of shards; None if they are gone."""
        try:
            return PhotoSet.of(self._origin) if self._origin else None
        except OptogramError:
            return None

    @cached_property
    def _numbers(self) -> dict[str, int]:
        names = () if self._photos is None else self._photos.names
        return {name: number for number, name in enumerate(names)}


def scaled(picture: Image.Image, cell: int) -> Image.Image:
    """A picture whose longer side is ``cell`` pixels; its pixels stay visible if it is small."""
    return resized(picture, fit((picture.height, picture.width), (cell, cell)))


def squared(picture: Image.Image, cell: int) -> Image.Image:
    """A picture in the middle of a white square of ``cell`` pixels, which it fits into."""
    square = Image.new("RGB", (cell, cell), PAPER)
    square.paste(picture, ((cell - picture.width) // 2, (cell - picture.height) // 2))
    return square


def _box(photo: Image.Image, window: Window) -> tuple[int, int, int, int]:
    """The pixels of a window: left, top, right, bottom; at least one."""
    top, left, bottom, right = window
    x, y = min(max(int(left), 0), photo.width - 1), min(max(int(top), 0), photo.height - 1)
    return (
        x,
        y,
        max(min(round(right), photo.width), x + 1),
        max(min(round(bottom), photo.height), y + 1),
    )
