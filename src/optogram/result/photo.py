"""The photo that a map is laid over."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image


def photo_below(photo: Any, seen: np.ndarray) -> "Image":
    """``photo`` (a path, a PIL image or an array), upright; None: what the network saw."""
    from optogram.network.images import read_picture
    from optogram.render import visible

    if photo is None:
        return visible(seen)
    return visible(np.rint(read_picture(photo)).astype(np.uint8))
