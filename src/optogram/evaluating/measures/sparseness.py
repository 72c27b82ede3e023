"""Sparseness: whether a map marks few places."""

import numpy as np


def sparseness(heat: np.ndarray) -> float:
    """Gini index of the magnitudes of a map (H, W): 0 if all are equal, near 1 if one is not 0.

    Chalasani et al., "Concise explanations of neural networks using adversarial training" (2020):
    for magnitudes v₁ ≤ … ≤ v_n, 1 − 2 Σ v_k (n − k + ½) / (n Σ v). NaN for a map that
    is zero everywhere.
    """
    sizes = np.sort(np.abs(heat).ravel().astype(float))
    total, count = sizes.sum(), len(sizes)
    if total == 0:
        return float("nan")
    weights = (count - np.arange(1, count + 1) + 0.5) / count
    return float(1 - 2 * (sizes @ weights) / total)
