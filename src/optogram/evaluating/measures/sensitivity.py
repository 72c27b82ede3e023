"""Max-sensitivity: how much a map changes with noise that nobody sees."""

import numpy as np

RADIUS = 0.02
"""Most change of a pixel, as a share of the range of pixels."""


def noisy(x: np.ndarray, spread: float, count: int, key: tuple[int, ...]) -> np.ndarray:
    """(count, H, W, C): image ``x`` with uniform noise; ``spread`` is the range of pixels."""
    generator, most = np.random.default_rng(key), RADIUS * spread
    return (x + generator.uniform(-most, most, (count, *x.shape))).astype(np.float32)


def max_sensitivity(values: np.ndarray, around: np.ndarray) -> float:
    """Largest relative change of a map: max ‖Φ(x + r) − Φ(x)‖ / ‖Φ(x)‖.

    Yeh et al., "On the (in)fidelity and sensitivity of explanations" (2019), definition 3.1, over
    a few samples r of uniform noise, and relative to the norm of the map. 0 is best. NaN for a
    map that is zero everywhere.

    Parameters
    ----------
    values : ndarray of shape (...)
        The values of the method for the image.
    around : ndarray of shape (N, ...)
        Its values for images nearby.
    """
    norm = float(np.linalg.norm(values))
    changes = np.linalg.norm((around - values).reshape(len(around), -1).astype(float), axis=1)
    return float(changes.max() / norm) if norm else float("nan")
