"""Non-negative factors of activations: A ≈ U W, with U and W not negative."""

import warnings
from dataclasses import dataclass

import numpy as np

from optogram.errors import InputError
from optogram.methods.request.scikit_learn import require_scikit_learn
from optogram.words import counted

_ITERATIONS = 1000
"""Iterations of the factorization, at most."""


@dataclass(frozen=True)
class Factors:
    """Directions, and what was said about them.

    Attributes
    ----------
    directions : float32 ndarray of shape (K, channels)
        W, each row of length 1.
    warnings : tuple of str
        Warnings about the factorization.
    """

    directions: np.ndarray
    warnings: tuple[str, ...]


def factors_of(activations: np.ndarray, count: int, alpha: float, seed: int) -> Factors:
    """Directions W of activations A (n, channels) that are not negative.

    Minimizes ‖A − U W‖² / 2 + alpha · (channels · ‖U‖² + n · ‖W‖²) / 2 for U and W that are not
    negative (`sklearn.decomposition.NMF`).

    Raises
    ------
    InputError
        If scikit-learn is not installed, or there are fewer samples, channels or directions than
        ``count``.
    """
    learn = require_scikit_learn("A factorization")
    import threadpoolctl  # which scikit-learn needs

    samples, channels = activations.shape
    if count > min(samples, channels):
        few = counted(samples, "sample") if samples <= channels else counted(channels, "channel")
        raise InputError(
            f"concepts={count} is more than there can be: there are {few}. Give "
            f"concepts={min(samples, channels)} or fewer"
            + (", or more photos." if samples <= channels else ".")
        )
    if not activations.any():
        raise InputError("All activations are zero: choose another layer, or other photos.")
    model = learn.decomposition.NMF(
        count,
        init="nndsvda",
        alpha_W=alpha,
        max_iter=_ITERATIONS,
        random_state=seed,
    )
    # Its many small products are slower by several threads, which wait for one another.
    with threadpoolctl.threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", learn.exceptions.ConvergenceWarning)
        model.fit(activations.astype(np.float64))
    lengths = np.linalg.norm(model.components_, axis=1)
    found = model.components_[lengths > 0] / lengths[lengths > 0, None]
    notes = []
    if len(found) < count:
        notes.append(
            f"Only {len(found)} of {counted(count, 'concept')} are not zero: the activations have "
            "no more directions, or alpha is too large."
        )
    if not len(found):
        raise InputError("The factorization has no direction: choose a smaller alpha.")
    if model.n_iter_ >= _ITERATIONS:
        notes.append(
            f"The factorization did not converge within {_ITERATIONS} iterations: the concepts may "
            "still change."
        )
    return Factors(found.astype(np.float32), tuple(notes))


def coefficients(activations: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """U (..., K) ≥ 0 with the least ‖A − U W‖², for A (..., channels) and W (K, channels).

    Non-negative least squares of each sample (`scipy.optimize.nnls`), in the K dimensions that the
    directions span.
    """
    from scipy.optimize import nnls

    base, triangle = np.linalg.qr(directions.astype(np.float64).T)
    wanted = activations.reshape(-1, activations.shape[-1]).astype(np.float64) @ base
    found = np.array([nnls(triangle, row)[0] for row in wanted], np.float32)
    return found.reshape(*activations.shape[:-1], len(directions))


def relative_error(activations: np.ndarray, used: np.ndarray, directions: np.ndarray) -> float:
    """‖A − U W‖ / ‖A‖."""
    total = np.linalg.norm(activations)
    return float(np.linalg.norm(activations - used @ directions) / total) if total else 0.0


def rectified(activations: np.ndarray, layer: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Activations without negative values, and a warning if there were any.

    Raises
    ------
    InputError
        If one is NaN or infinite.
    """
    if not np.isfinite(activations).all():
        raise InputError(f"Activations of {layer!r} are NaN or infinite.")
    positive = np.maximum(activations, 0)
    total = float(np.abs(activations).sum(dtype=np.float64))
    negative = total - float(positive.sum(dtype=np.float64))
    if negative <= 0:
        return activations, ()
    return positive, (
        f"{layer!r} has negative activations ({negative / total:.1%} of the sum of magnitudes): "
        "they are set to 0 (ReLU), since the factors are not negative; choose a layer after a ReLU "
        "where there is one.",
    )
