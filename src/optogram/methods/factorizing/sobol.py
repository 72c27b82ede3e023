"""Total Sobol indices: which share of a score's variance each factor takes part in."""

import warnings

import numpy as np


def design(factors: int, samples: int, seed: int) -> np.ndarray:
    """Masks ((factors + 2) · samples, factors) in 0…1: A, B, and A with each column of B.

    A and B are the halves of a scrambled Sobol sequence of 2 · factors dimensions.
    """
    from scipy.stats import qmc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about numbers that are no powers of two
        both = qmc.Sobol(2 * factors, seed=np.random.default_rng(seed)).random(samples)
    first, second = both[:, :factors], both[:, factors:]
    mixed = np.repeat(first[None], factors, axis=0)
    every = np.arange(factors)
    mixed[every, :, every] = second.T
    return np.concatenate([first, second, *mixed]).astype(np.float32)


def total_indices(scores: np.ndarray, factors: int) -> np.ndarray:
    """Total indices (factors,) of the scores of a `design`, by Jansen's estimator.

    Jansen, "Analysis of variance designs for model output" (1999): Σ (f(A) − f(Aᵢ))² / (2 n V),
    with the variance V of f over A and B. Zero if the score does not vary.
    """
    scores = scores.astype(np.float64).reshape(factors + 2, -1)
    variance = scores[:2].var(ddof=1)
    if variance <= np.finfo(np.float32).eps ** 2 * np.abs(scores[:2]).max() ** 2:
        return np.zeros(factors)
    return ((scores[0] - scores[2:]) ** 2).mean(axis=1) / (2 * variance)
