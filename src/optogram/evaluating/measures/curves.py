"""Deletion and insertion: the areas under the curves of `optogram.check`."""

import numpy as np

from optogram.evaluating.variants import Variants
from optogram.methods.sanity.perturbation import Removal, curve_through

KINDS = ("deletion", "insertion")


def curve_variants(removal: Removal, ranks: np.ndarray, kind: str) -> Variants:
    """The image with more and more pixels removed or restored, in the order of ``ranks`` (H, W)."""
    is_insertion = kind == KINDS[1]
    return Variants(removal.steps - 1, lambda i: removal.variant(ranks, i + 1, is_insertion))


def area(ends: np.ndarray, between: np.ndarray, kind: str) -> float:
    """Area under a curve over 0…1, by the trapezoidal rule.

    Petsiuk et al., "RISE" (2018), section 4.3: pixels are replaced by gray (deletion), or restored
    on the blurred image (insertion), highest values of the map first. The score of a class is its
    probability.

    Parameters
    ----------
    ends : ndarray of shape (3,)
        Scores of `Removal.ends`.
    between : ndarray of shape (steps − 1,)
        Scores of `curve_variants`.
    kind : {"deletion", "insertion"}
        Which curve.
    """
    (curve,) = curve_through(ends, between[None], kind == KINDS[1])
    return float(((curve[1:] + curve[:-1]) / 2).mean())
