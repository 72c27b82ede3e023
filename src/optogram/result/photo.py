"""Results about photos: what of each photo the network saw, and where maps lie on it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optogram.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

_OTHER_PROPORTIONS = 0.05
"""Share of a side by which a copy of a photo may differ in its proportions."""

Where = tuple[float, float, float, float]
"""Top, left, bottom, right of a rectangle, as shares of a photo's height and width."""


@dataclass(frozen=True, eq=False, kw_only=True)
class OfPhotos:
    """What results about photos keep of them.

    Attributes
    ----------
    fit : {"stretch", "crop", "pad"}
        How the photos became as large as the network takes.
    seen : ndarray of shape (N, 4)
        What the network saw of each photo: top, left, bottom, right as shares of its height and
        width; all of it, 0, 0, 1, 1, where nothing else is known.
    photo_size : ndarray of shape (N, 2)
        Height and width of each photo in pixels; 0 where not known.
    """

    if TYPE_CHECKING:
        images: np.ndarray
    fit: str = "stretch"
    seen: np.ndarray | None = None
    photo_size: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Take the whole photo where nothing is known of it, then lock the arrays."""
        count = len(self.images)
        if self.seen is None:
            whole = np.array([0, 0, 1, 1], np.float32)
            object.__setattr__(self, "seen", np.tile(whole, (count, 1)))
        if self.photo_size is None:
            object.__setattr__(self, "photo_size", np.zeros((count, 2), int))
        assert self.seen is not None
        if not np.isfinite(self.seen).all():
            raise InputError("What is seen of a photo is told by finite numbers.")
        super().__post_init__()  # type: ignore[misc]

    def _below(self, photo: Any, index: int) -> tuple["Image", Where | None]:
        """What a map of image ``index`` is laid over, and where on it the map lies.

        ``photo`` (a path, a PIL image or an array) upright; None: what the network saw, all of it.

        Raises
        ------
        InputError
            If the photo cannot be read, or is not the one that was explained.
        """
        from optogram.pictures.read import read_picture
        from optogram.render import visible

        if photo is None:
            return visible(self.images[index]), None
        below = visible(np.rint(read_picture(photo)).astype(np.uint8))
        assert self.seen is not None and self.photo_size is not None
        known = int(self.photo_size[index][0]), int(self.photo_size[index][1])
        if all(known) and not _has_proportions((below.height, below.width), known):
            raise InputError(
                f"The photo given has {below.height}×{below.width} pixels, the one explained had "
                f"{known[0]}×{known[1]}: give that photo, or none to draw over what the network "
                "saw."
            )
        top, left, bottom, right = map(float, self.seen[index])
        return below, (top, left, bottom, right)


def _has_proportions(size: tuple[int, int], known: tuple[int, int]) -> bool:
    """Whether pictures of ``size`` and of ``known`` (height, width) can be one photo."""
    (height, width), (known_height, known_width) = size, known
    wanted = width * known_height / known_width, height * known_width / known_height
    # Small copies are rounded to whole pixels.
    return any(
        abs(side - want) <= max(1.0, _OTHER_PROPORTIONS * want)
        for side, want in zip(size, wanted, strict=True)
    )
