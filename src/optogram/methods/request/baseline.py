"""The images that integrated gradients begin at."""

import os
from numbers import Real
from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.methods.request.painting import paint_for
from optogram.methods.request.request import Request

_GRAYS = {"black": 0.0, "white": 255.0, "gray": 127.5}
_PAINTED = ("mean", "blur")
_BLURRED_SIDE = 7
"""A blurred image shows nothing smaller than this part of its shorter side."""


def baseline_images(request: Request, baseline: Any) -> np.ndarray:
    """What a user calls a ``baseline``, as images (M, H, W, C) in network units.

    Raises
    ------
    InputError
        If it is no baseline, or pictures do not go with the images.
    """
    net, x = request.net, request.x
    if isinstance(baseline, str) and baseline in _GRAYS:
        baseline = _GRAYS[baseline]
    is_painted = isinstance(baseline, str) and baseline in _PAINTED
    if isinstance(baseline, Real) and not 0 <= float(baseline) <= 255:
        raise InputError(f"A baseline given as a number is a gray in 0..255, not {baseline}.")
    if is_painted or isinstance(baseline, Real):
        extent = max(1, round(min(request.size) / _BLURRED_SIDE))
        return paint_for(net, x, baseline, "display", extent)
    if isinstance(baseline, str) and not os.path.lexists(baseline):
        names = ", ".join(map(repr, (*_GRAYS, *_PAINTED)))
        raise InputError(
            f"baseline is {names}, a number in 0..255 or a picture, and there is no file "
            f"{baseline!r}: name one of these."
        )
    given = np.asarray(net.prepare(baseline, request.photos.get("fit", "stretch"), request.size))
    if given.shape[1:] != x.shape[1:] or len(given) not in (1, len(x)):
        raise InputError(
            f"The baseline has the shape {given.shape} where the images have {x.shape}: give one "
            "picture, or as many as images, of their size."
        )
    return np.broadcast_to(given, x.shape)


def described(baseline: Any) -> str | float:
    """A baseline as results record it: its name, number or path, else "a picture"."""
    if isinstance(baseline, Real):
        return float(baseline)
    if isinstance(baseline, str | os.PathLike):
        return os.fsdecode(baseline)
    return "a picture"
