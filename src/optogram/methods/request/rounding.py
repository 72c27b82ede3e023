"""The error of reduced precision: a few scores are computed again, exactly."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from optogram.methods.request.request import Answer, Request

SAMPLE = 8
"""Number of changed images whose scores are computed again for each image."""
ERRORS = 4.0
"""Nearly all errors are within so many root mean squares of such a sample."""
_CHECKS = SAMPLE + 1
"""Forward passes that these, and the exact score of the image, take."""
ALONE = 2
"""A pass of one image takes as long as so many of a batch."""
_SURE = 1.5
"""What is saved is estimated; it must be so many times what the checks take."""
LARGEST_SHARE = 0.1
"""Error ÷ standard deviation of scores above which their correlation falls below 0.995."""


@dataclass(frozen=True)
class Rounding:
    """What exact scores say about those in reduced precision.

    Attributes
    ----------
    answer : Answer
        The answer, with the exact scores of the images.
    error : ndarray of shape (N,), or None
        Root mean square error of the change of the score, over the sample; None: all is exact.
    warnings : tuple of str
        About errors that are large.
    """

    answer: Answer
    error: np.ndarray | None = None
    warnings: tuple[str, ...] = ()


def repaid(request: Request, passes: float, checks: float = _CHECKS) -> Request:
    """The ``request``, in full precision where reduced precision saves less than its checks take.

    Parameters
    ----------
    request : Request
        The request.
    passes : float
        Forward passes through the whole network, or their equivalent, for each image.
    checks : float
        Exact passes that the checks take, likewise.
    """
    if request.exact is None or passes * (1 - 1 / request.gain) >= _SURE * checks:
        return request
    note = (
        'precision="fast" would save less here than it takes to measure its error, so all was '
        "computed exactly."
    )
    return replace(request.exactly(), warnings=(*request.warnings, note))


def sample_of(count: int, size: int = SAMPLE) -> np.ndarray:
    """The numbers of ``size`` of ``count`` images, or of all if there are fewer."""
    generator = np.random.default_rng(0)
    return np.sort(generator.permutation(count)[:size])


def rounding(
    answer: Answer,
    changes: np.ndarray,
    again: Callable[[Request], np.ndarray],
    spread: np.ndarray,
    memory: float | str | None,
) -> Rounding:
    """Compare the ``changes`` of scores with exact ones, if they are in reduced precision.

    Parameters
    ----------
    answer : Answer
        The scores of the images, in the same precision as ``changes``.
    changes : ndarray of shape (N, P)
        Scores of a sample of changed images minus those of the images.
    again : callable
        The scores (N, P) of this sample for an exact request.
    spread : ndarray of shape (N,)
        Standard deviation of the scores of all changed images.
    memory : float or str, optional
        Memory budget.
    """
    if answer.request.exact is None:
        return Rounding(answer)
    request = answer.request.exactly()
    scores = request.answer(memory).scores
    error = np.sqrt(np.mean((changes - (again(request) - scores[:, None])) ** 2, axis=1))
    warnings = tuple(
        f"The error of reduced precision for {place} is {_shown(one, width)} the standard "
        'deviation of the scores that the map is made of: use precision="exact".'
        for place, one, width in zip(answer.places, error, spread, strict=True)
        if not one <= LARGEST_SHARE * width
    )
    error = error.astype(np.float32)
    return Rounding(replace(answer, scores=scores), error, warnings)


def _shown(error: float, spread: float) -> str:
    return f"{error / spread:.0%} of" if spread > 0 else "larger than"
