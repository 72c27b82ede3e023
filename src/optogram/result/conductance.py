"""Results of layer conductance."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from optogram.arguments import whole
from optogram.result.attribution import Attribution


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerConductance(Attribution):
    """The conductance of the units of a layer, summed over channels and over positions.

    Attributes
    ----------
    channels : ndarray of shape (N, K)
        The conductance of each channel: of all its positions together. Like ``values``, it sums to
        the change of the score, plus ``completeness_gap``.
    baseline_score : ndarray of shape (N,)
        The score of the baseline.
    completeness_gap : ndarray of shape (N,)
        The sum of ``values`` minus ``score − baseline_score``: what too few points miss, and what
        does not go through the layer.
    """

    shapes: ClassVar = Attribution.shapes | {
        "channels": "N K",
        "baseline_score": "N",
        "completeness_gap": "N",
    }

    channels: np.ndarray
    baseline_score: np.ndarray
    completeness_gap: np.ndarray

    def strongest(self, count: int = 5, index: int = 0) -> np.ndarray:
        """The channels of explanation ``index`` that raise the score most, highest first.

        Parameters
        ----------
        count : int
            How many, at most.
        index : int
            Index of the explanation.

        Raises
        ------
        InputError
            If ``count`` is not positive, or ``index`` is out of range.
        """
        count = whole("count", count, 1)
        index = whole("index", index, -len(self.channels), len(self.channels) - 1)
        return np.argsort(-self.channels[index], kind="stable")[:count]
