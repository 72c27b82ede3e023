"""Cells of an occlusion map in reduced precision are computed again, exactly."""

from dataclasses import dataclass

import numpy as np

from optogram.methods.occluding.covering import Covering
from optogram.methods.request.request import Request
from optogram.methods.request.rounding import ERRORS, Rounding, rounding, sample_of
from optogram.result import Occlusion

VERIFIED = "fast+verify"
"""The precision in which the cells that decide are exact."""
_COMPILING = 1e11
"""Operations that take about as long as compiling a program for windows."""
_BORDER = 0.5
"""Fraction of the maximum at the border of the mask."""


@dataclass(frozen=True)
class Checked:
    """Scores of cells in reduced precision, some of them computed again exactly.

    Attributes
    ----------
    rounding : Rounding
        Their error.
    scores : ndarray of shape (N, P)
        The scores: exact ones, or exact scores of the images minus drops in reduced precision.
    exact : bool ndarray of shape (P,)
        Which are exact.
    """

    rounding: Rounding
    scores: np.ndarray
    exact: np.ndarray


def checked(covering: Covering, places: np.ndarray, scores: np.ndarray) -> Checked:
    """``scores`` (N, P) of ``covering`` at ``places``, a sample of them computed again."""
    drops, sample = covering.answer.scores[:, None] - scores, sample_of(len(places))
    exact = np.zeros((len(scores), len(sample)), np.float32)

    def again(_: Request) -> np.ndarray:
        twin = covering.exactly(len(sample), incremental=_is_long(covering, len(sample)))
        exact[:] = _scores(twin, places[sample])
        return exact

    found = rounding(covering.answer, -drops[:, sample], again, drops.std(axis=1), covering.memory)
    made = found.answer.scores[:, None] - drops
    made[:, sample] = exact
    return Checked(found, made, np.isin(np.arange(len(places)), sample))


def _is_long(covering: Covering, count: int) -> bool:
    """Whether ``count`` whole passes take longer than compiling windows, if these are wanted."""
    request = covering.answer.request
    steps = request.net.geometry(request.size, request.scored()).values()
    operations = count * sum(step.flops for step in steps)
    return bool(covering.parameters["incremental"]) and operations > _COMPILING


def refined(covering: Covering, scores: np.ndarray, is_verified: bool) -> Occlusion:
    """The map of ``scores`` (N, P) in reduced precision, with the error and some exact cells.

    ``is_verified``: cells that decide become exact, not only those of a sample.
    """
    places, size = covering.patches.places, covering.patches.shape
    found = checked(covering, places, scores)
    made, exact, error = found.scores, found.exact, found.rounding.error
    assert error is not None  # the scores are in reduced precision
    if is_verified:
        drops = found.rounding.answer.scores[:, None] - made
        deciding = np.flatnonzero(_decides(drops, error) & ~exact)
        if len(deciding):
            twin = covering.exactly(len(deciding), incremental=True)
            made[:, deciding], exact[deciding] = _scores(twin, places[deciding]), True
    return covering.result(made.reshape(-1, *size), exact.reshape(size), rounded=found.rounding)


def _decides(drops: np.ndarray, error: np.ndarray) -> np.ndarray:
    """(P,): the cells where a map (N, P) with that ``error`` (N,) leaves something open."""
    width = ERRORS * error[:, None]
    highest = drops.max(axis=1, keepdims=True)
    is_open = (np.abs(drops) <= width) | (drops >= highest - 2 * width)
    is_open |= np.abs(drops - _BORDER * highest) <= width
    return is_open.any(axis=0)


def _scores(covering: Covering, places: np.ndarray) -> np.ndarray:
    """(N, P): scores with the patch at ``places``."""
    which = covering.answer.request.which
    found = np.empty((len(which), len(places)), np.float32)
    for image in np.unique(which):
        found[which == image] = covering.scores(int(image), places)
    return found
