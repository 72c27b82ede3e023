"""Baselines of integrated gradients."""

import os
from numbers import Real
from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.methods.request.painting import paint_for
from optogram.methods.request.request import Request
from optogram.pictures.prepared import is_prepared

_GRAYS = {"black": 0.0, "white": 255.0, "gray": 127.5}
_PAINTED = ("mean", "blur")
_BLURRED_SIDE = 7
"""Details smaller than this part of the shorter side disappear in a blurred image."""


def baseline_images(request: Request, baseline: Any) -> np.ndarray:
    """The images (M, H, W, C), in network units, that a ``baseline`` stands for.

    Raises
    ------
    InputError
        If the baseline is unknown, or its images do not fit the explained images.
    """
    net, x = request.net, request.x
    if isinstance(baseline, str) and baseline in _GRAYS:
        baseline = _GRAYS[baseline]
    is_painted = isinstance(baseline, str) and baseline in _PAINTED
    if isinstance(baseline, Real) and not 0 <= float(baseline) <= 255:
        raise InputError(
            f"A baseline given as a number must be a gray level in 0..255, not {baseline}."
        )
    if is_painted or isinstance(baseline, Real):
        extent = max(1, round(min(request.size) / _BLURRED_SIDE))
        return paint_for(net, x, baseline, "display", extent)
    if isinstance(baseline, str) and not os.path.lexists(baseline):
        names = ", ".join(map(repr, (*_GRAYS, *_PAINTED)))
        raise InputError(
            f"baseline must be {names}, a number in 0..255 or an image; there is no file "
            f"{baseline!r}."
        )
    if is_prepared(baseline):
        given = np.asarray(net.fed(baseline))
    else:
        photo = request.photos[0] if request.photos else None
        fit, resample = (photo.fit, photo.resample) if photo else (None, None)
        given = np.asarray(net.fed(baseline, fit, request.size, resample))
    if given.shape[1:] != x.shape[1:] or len(given) not in (1, len(x)):
        raise InputError(
            f"The baseline has the shape {given.shape}, the images have the shape {x.shape}: give "
            "one baseline, or one per image, of the same size."
        )
    return np.broadcast_to(given, x.shape)


def described(baseline: Any) -> str | float:
    """A baseline for ``parameters``: its name, number or path, else "a picture"."""
    if isinstance(baseline, Real):
        return float(baseline)
    if isinstance(baseline, str | os.PathLike):
        return os.fsdecode(baseline)
    return "a picture"
