"""Linear classifiers of activations, whose normals are concept activation vectors."""

import math
import warnings
from dataclasses import dataclass

import numpy as np

from optogram.methods.request.scikit_learn import require_scikit_learn

_LEARNED = 2 / 3
"""Share of the examples that a classifier learns from; it is tested on the others."""
_ITERATIONS = 1000


@dataclass(frozen=True)
class Split:
    """Examples of two kinds, each (n, features), of which the first two thirds are learned."""

    positive: np.ndarray
    negative: np.ndarray


def activation_vector(split: Split) -> tuple[np.ndarray, float]:
    """The normal (features,) of a logistic regression, of length 1, and its held-out accuracy.

    It points to the positive examples. ``C=1`` of `sklearn.linear_model.LogisticRegression`, for
    examples whose root mean square is 1.
    """
    learn = require_scikit_learn("og.tcav")
    import threadpoolctl  # which scikit-learn needs

    learned = math.ceil(_LEARNED * len(split.positive))
    parts = [
        (np.concatenate([split.positive[rows], split.negative[rows]]), len(split.positive[rows]))
        for rows in (slice(0, learned), slice(learned, None))
    ]
    (x, count), (held, left) = parts
    model = learn.linear_model.LogisticRegression(max_iter=_ITERATIONS)
    with threadpoolctl.threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", learn.exceptions.ConvergenceWarning)
        model.fit(x.astype(np.float64), np.repeat([1, 0], count))
        accuracy = float(model.score(held.astype(np.float64), np.repeat([1, 0], left)))
    vector = model.coef_[0]
    length = np.linalg.norm(vector)
    return (vector / length if length else vector).astype(np.float32), accuracy
