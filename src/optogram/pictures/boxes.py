"""Boxes in a picture: their formats, and how much they overlap."""

import numpy as np

_PLAIN = ("yxyx", "xyxy", "xywh", "center_xywh", "center_yxhw")
_RELATIVE = "rel_"
FORMATS = (*_PLAIN, *(_RELATIVE + name for name in _PLAIN))
"""Formats of boxes, named as in ``keras.utils.bounding_boxes``; ``rel_``: in 0..1 of the sides."""

_FAR = 1e9
"""Pixels: boxes of networks that are not trained can be infinite."""


def to_corners(boxes: np.ndarray, format: str, size: tuple[int, int]) -> np.ndarray:
    """``boxes`` (..., 4) in a format as (top, left, bottom, right) for an image of ``size``."""
    order = format.removeprefix(_RELATIVE)
    first, second, third, fourth = np.moveaxis(np.asarray(boxes, np.float64), -1, 0)
    if order in ("yxyx", "center_yxhw"):
        y, x, second_y, second_x = first, second, third, fourth
    else:
        x, y, second_x, second_y = first, second, third, fourth
    if order.startswith("center"):
        y, x = y - second_y / 2, x - second_x / 2
    if not order.endswith(("xyxy", "yxyx")):
        second_y, second_x = y + second_y, x + second_x
    corners = np.stack([y, x, second_y, second_x], axis=-1)
    return corners * np.tile(size, 2) if format.startswith(_RELATIVE) else corners


def overlaps(boxes: np.ndarray, region: tuple[float, ...]) -> np.ndarray:
    """(boxes,): the intersection over union of each of ``boxes`` with a region."""
    sides = np.nan_to_num(boxes.astype(np.float64), nan=0.0, posinf=_FAR, neginf=-_FAR)
    top, left, bottom, right = np.moveaxis(sides.clip(-_FAR, _FAR), -1, 0)
    height = np.minimum(bottom, region[2]) - np.maximum(top, region[0])
    width = np.minimum(right, region[3]) - np.maximum(left, region[1])
    shared = np.maximum(height, 0) * np.maximum(width, 0)
    own = np.maximum(bottom - top, 0) * np.maximum(right - left, 0)
    given = (region[2] - region[0]) * (region[3] - region[1])
    return shared / (own + given - shared)
