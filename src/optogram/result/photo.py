"""Results about photos: the part of each photo that the network saw."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from optogram.arguments import whole
from optogram.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from optogram.pictures.prepared import PreparedPhoto

_NARROWEST, _LONGEST = 112, 4096
"""Sides in pixels that pictures of very wide and very high photos have at least and at most."""
_OTHER_PROPORTIONS = 0.05
"""Tolerance of the aspect ratio of a photo, as a fraction of a side."""

Where = tuple[float, float, float, float]
"""Top, left, bottom, right of a rectangle, as fractions of a photo's height and width."""


@dataclass(frozen=True, eq=False, kw_only=True)
class OfPhotos:
    """Fields of results about photos.

    Attributes
    ----------
    fit : {"stretch", "crop", "pad"}
        How the photos were brought to the input size.
    seen : ndarray of shape (N, 4)
        Part of each photo that the network saw: top, left, bottom, right as fractions of its
        height and width; 0, 0, 1, 1 (the whole photo) if unknown.
    photo_size : ndarray of shape (N, 2)
        Height and width of each photo in pixels; 0 if unknown.
    prepared : sequence of PreparedPhoto, or None
        The photos, for overlays; None if unknown. Not saved.
    """

    if TYPE_CHECKING:
        images: np.ndarray
    fit: str = "stretch"
    seen: np.ndarray | None = None
    photo_size: np.ndarray | None = None
    prepared: "Sequence[PreparedPhoto] | None" = field(
        default=None, repr=False, metadata={"is_saved": False}
    )

    def __post_init__(self) -> None:
        """Default to the whole photo, then make the arrays read-only."""
        count = len(self.images)
        if self.seen is None:
            whole = np.array([0, 0, 1, 1], np.float32)
            object.__setattr__(self, "seen", np.tile(whole, (count, 1)))
        if self.photo_size is None:
            object.__setattr__(self, "photo_size", np.zeros((count, 2), int))
        assert self.seen is not None
        if not np.isfinite(self.seen).all():
            raise InputError("``seen`` must be finite.")
        super().__post_init__()  # type: ignore[misc]

    def shown_size(self, index: int = 0, cell: int | None = None) -> tuple[int, int]:
        """Height and width in pixels at which image ``index`` is shown beside its map.

        An image for which the photo was stretched has the proportions of the photo again, others
        have their own. ``cell``: the longer side in pixels; None: a legible size.
        """
        from optogram.render import legible

        own = self.images.shape[1:3]
        assert self.photo_size is not None
        photo = tuple(map(int, self.photo_size[index]))
        ratio = own[1] / own[0]
        if self.fit == "stretch" and all(photo):
            ratio = photo[1] / photo[0]
        if cell is not None:
            return max(1, round(cell * min(1, 1 / ratio))), max(1, round(cell * min(1, ratio)))
        height, width = legible((own[0], own[1]))
        if round(height * ratio) == width:
            return height, width
        side = math.sqrt(height * width)  # of a square of the same area
        height, width = (max(1, round(side * part)) for part in (ratio**-0.5, ratio**0.5))
        factor = max(1, min(_NARROWEST / min(height, width), _LONGEST / max(height, width)))
        return round(height * factor), round(width * factor)

    def _at(
        self, heat: np.ndarray, size: Literal["photo", "network"] | tuple[int, int], index: int
    ) -> np.ndarray:
        """The map ``heat``, which covers what the network saw of image ``index``, at ``size``."""
        from optogram.render import map_on

        assert self.seen is not None and self.photo_size is not None
        if size == "network":
            height, width = self.images.shape[1:3]
            return map_on((height, width), heat)
        top, left, bottom, right = map(float, self.seen[index])
        height, width = self._sides(size, index)
        return map_on((height, width), heat, (top, left, bottom, right))

    def _frame(
        self, size: Literal["photo", "network"] | tuple[int, int], index: int
    ) -> tuple[float, float, float, float]:
        """Where the network's input of image ``index`` lies on its photo, in pixels of ``size``.

        Top, left, height and width of one pixel of the input.
        """
        assert self.seen is not None and self.photo_size is not None
        height, width = self.images.shape[1:3]
        if size == "network":
            return 0.0, 0.0, 1.0, 1.0
        down, across = self._sides(size, index)
        top, left, bottom, right = map(float, self.seen[index])
        return (
            top * down,
            left * across,
            (bottom - top) * down / height,
            (right - left) * across / width,
        )

    def _sides(self, size: Literal["photo"] | tuple[int, int], index: int) -> tuple[int, int]:
        """Height and width in pixels of the photo of image ``index``."""
        if size != "photo":
            height, width = (whole("size, height and width,", side, 1) for side in size)
            return height, width
        assert self.photo_size is not None
        height, width = map(int, self.photo_size[index])
        if not (height and width):
            raise InputError(
                "The size of the photo is not known, since the image was given as a prepared "
                'batch: use size="network" or size=(height, width).'
            )
        return height, width

    def _below(self, photo: Any, index: int) -> tuple["Image", Where | None]:
        """The image below a map, and the rectangle of the map on it.

        ``photo``: a path, a PIL image or an array; True: the explained photo. None: the network's
        input.

        Raises
        ------
        InputError
            If the photo cannot be read, is not known, or is not the one that was explained.
        """
        from optogram.render import visible

        if photo is None:
            return visible(self.images[index]), None
        below = visible(self._picture(photo, index))
        assert self.seen is not None and self.photo_size is not None
        known = int(self.photo_size[index][0]), int(self.photo_size[index][1])
        if all(known) and not _has_proportions((below.height, below.width), known):
            raise InputError(
                f"The photo has {below.height}×{below.width} pixels, the explained photo had "
                f"{known[0]}×{known[1]}: give that photo, or no photo to draw over the network's "
                "input."
            )
        top, left, bottom, right = map(float, self.seen[index])
        return below, (top, left, bottom, right)

    def _picture(self, photo: Any, index: int) -> np.ndarray:
        """The photo of image ``index``, upright, uint8; decoded only where it is not kept."""
        from optogram.pictures.prepared import as_shown
        from optogram.pictures.read import read_picture

        known = self.prepared[index] if self.prepared else None
        if photo is not True:
            kept = known.kept if known is not None and known.is_at(photo) else None
            return as_shown(read_picture(photo)) if kept is None else kept
        if known is None:
            raise InputError(
                "The photo that was explained is not known, since the result was loaded from a "
                "file or the images were prepared elsewhere: name it, as in "
                'photo="cat.jpg".'
            )
        return known.picture()


def _has_proportions(size: tuple[int, int], known: tuple[int, int]) -> bool:
    """Whether images of ``size`` and of ``known`` (height, width) can be the same photo."""
    (height, width), (known_height, known_width) = size, known
    wanted = width * known_height / known_width, height * known_width / known_height
    # Small copies are rounded to whole pixels.
    return any(
        abs(side - want) <= max(1.0, _OTHER_PROPORTIONS * want)
        for side, want in zip(size, wanted, strict=True)
    )
