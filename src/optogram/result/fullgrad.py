"""Results of FullGrad."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from optogram.result.attribution import Attribution


@dataclass(frozen=True, eq=False, kw_only=True)
class FullGradient(Attribution):
    """A FullGrad map, with what the input and the biases of each step contribute to the score.

    Attributes
    ----------
    step_names : tuple of str
        The steps with biases, in order of the network.
    input_sum : ndarray of shape (N,)
        Σ ∂S/∂x · x, in units of the score.
    bias_sums : ndarray of shape (N, steps)
        Σ ∂S/∂b · b of each of them, in units of the score.
    completeness_gap : ndarray of shape (N,)
        ``input_sum`` plus all ``bias_sums`` minus the score; 0, up to rounding, in networks of
        convolutions, dense layers, normalizations with fixed statistics, poolings and ReLUs.
    """

    shapes: ClassVar = Attribution.shapes | {
        "input_sum": "N",
        "bias_sums": "N s",
        "completeness_gap": "N",
    }

    step_names: tuple[str, ...]
    input_sum: np.ndarray
    bias_sums: np.ndarray
    completeness_gap: np.ndarray
