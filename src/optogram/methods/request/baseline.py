"""Baselines of integrated gradients and their relatives."""

import os
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.methods.request.painting import paint_for
from optogram.methods.request.request import Request
from optogram.pictures.photo_set import PhotoSet
from optogram.pictures.prepared import is_prepared
from optogram.words import counted

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


@dataclass(frozen=True, eq=False)
class Baselines:
    """Baselines that samples are paired with in turn.

    Attributes
    ----------
    given : ndarray of shape (B, H, W, C) or None
        The baselines in network units; None: gray levels.
    levels : ndarray of shape (B, 1, 1, C) or None
        The gray levels in network units, without ``given``.
    size : (height, width)
        Size of the images.
    described : str
        The baselines for ``parameters``.
    """

    given: np.ndarray | None
    levels: np.ndarray | None
    size: tuple[int, int]
    described: str

    def __len__(self) -> int:
        return len(self._images)

    @property
    def _images(self) -> np.ndarray:
        found = self.levels if self.given is None else self.given
        assert found is not None
        return found

    def of(self, part: slice) -> np.ndarray:
        """The baselines (n, H, W, C) of a slice of samples."""
        images = self._images[np.arange(part.start, part.stop) % len(self)]
        return np.broadcast_to(images, (len(images), *self.size, images.shape[-1]))


def baseline_set(request: Request, baselines: Any, samples: int, seed: int) -> Baselines:
    """The ``baselines`` of `expected_gradients`.

    Of more than ``samples``, that many are drawn, without repetition; fewer are taken as they are.

    Raises
    ------
    InputError
        If there are none, or they cannot be used.
    """
    net, x = request.net, request.x
    if baselines is None:
        levels = 255 * (np.arange(samples, dtype=np.float32) + 0.5) / samples
        grays = np.repeat(levels[:, None, None, None], x.shape[-1], axis=3)
        return Baselines(None, net.preparation.to_network(grays), request.size, "gray levels")
    is_array = isinstance(baselines, np.ndarray) and baselines.dtype.kind == "f"
    if is_array or is_prepared(baselines):
        given = np.asarray(net.fed(baselines))
        chosen = _drawn(len(given), samples, seed)
        given, words = given[chosen], counted(len(given), "array")
    else:
        photos = PhotoSet.of(baselines)
        chosen = _drawn(len(photos), samples, seed)
        photo = request.photos[0] if request.photos else None
        fit, resample = (photo.fit, photo.resample) if photo else (None, None)
        sources = [photos.source(int(i)) for i in chosen]
        given = np.asarray(net.fed(sources, fit, request.size, resample))
        is_path = isinstance(baselines, str | os.PathLike)
        words = os.fsdecode(baselines) if is_path else counted(len(photos), "photo")
    if given.shape[1:] != x.shape[1:]:
        raise InputError(
            f"The baselines have the shape {given.shape}, the images have the shape {x.shape}: "
            "give baselines of the same size."
        )
    return Baselines(given, None, request.size, words)


def _drawn(count: int, samples: int, seed: int) -> np.ndarray:
    """Numbers of the baselines to take: all in order, or ``samples`` of them at random."""
    if count <= samples:
        return np.arange(count)
    return np.random.default_rng((seed, 1)).permutation(count)[:samples]
