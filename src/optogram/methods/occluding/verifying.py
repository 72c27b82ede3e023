"""Cells of an occlusion map in reduced precision are computed again, exactly."""

import numpy as np

from optogram.methods.occluding.covering import Covering
from optogram.methods.request.rounding import rounding, sample_of
from optogram.result import Occlusion

VERIFIED = "fast+verify"
"""The precision in which the cells that decide are exact."""
_ERRORS = 4.0
"""Cells decide within so many errors, which a sample of a few tells roughly."""
_BORDER = 0.5
"""Fraction of the maximum at the border of the mask."""


def refined(covering: Covering, scores: np.ndarray, is_verified: bool) -> Occlusion:
    """The map of ``scores`` (N, P) in reduced precision, with the error and some exact cells.

    ``is_verified``: cells that decide become exact, not only those of a sample.
    """
    places, size = covering.patches.places, covering.patches.shape
    drops, is_exact = covering.answer.scores[:, None] - scores, np.zeros(len(places), bool)
    exact = drops.copy()

    def compute(cells: np.ndarray, incremental: bool) -> np.ndarray:
        """Compute ``cells`` exactly; return their scores."""
        twin = covering.exactly(len(cells), incremental)
        found = _scores(twin, places[cells])
        exact[:, cells], is_exact[cells] = twin.answer.scores[:, None] - found, True
        return found

    sample = sample_of(len(places))
    found = rounding(
        covering.answer,
        -drops[:, sample],
        lambda _: compute(sample, incremental=False),
        drops.std(axis=1),
        covering.memory,
    )
    if is_verified and found.error is not None:
        open_cells = np.setdiff1d(np.flatnonzero(_decides(drops, found.error)), sample)
        if len(open_cells):
            compute(open_cells, incremental=True)
    whole = (found.answer.scores[:, None] - exact).reshape(-1, *size)
    return covering.result(whole, is_exact.reshape(size), rounded=found)


def _decides(drops: np.ndarray, error: np.ndarray) -> np.ndarray:
    """(P,): the cells where a map (N, P) with that ``error`` (N,) leaves something open."""
    width = _ERRORS * error[:, None]
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
