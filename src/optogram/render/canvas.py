"""Blank canvases, and limits on the size of pictures."""

from PIL import Image

from optogram.errors import InputError

PAPER = (255, 255, 255)

_MOST_PIXELS = 1 << 28
_LONGEST_SIDE = 1 << 22


def blank(width: int, height: int) -> Image.Image:
    """A white canvas.

    Raises
    ------
    InputError
        If it would be too large for the memory, or have no pixels.
    """
    require_room(width, height)
    return Image.new("RGB", (width, height), PAPER)


def require_room(width: int, height: int) -> None:
    """Raise an InputError unless a picture of this size can be drawn."""
    if min(width, height) < 1:
        raise InputError(f"Height and width must be at least 1 pixel, not {height}×{width}.")
    if width * height > _MOST_PIXELS or max(width, height) > _LONGEST_SIDE:
        raise InputError(
            f"The picture would have {height}×{width} pixels, which is too large: use a smaller "
            "size, or fewer and smaller parts."
        )
