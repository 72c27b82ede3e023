"""Labels that may be wrong: confident learning."""

import numpy as np

from optogram.result.audit import SuspectedLabel


def suspected_labels(
    probabilities: np.ndarray, truth: np.ndarray, classes: np.ndarray
) -> list[SuspectedLabel]:
    """Photos that are confidently counted in another class than their label, most suspect first.

    Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels"
    (2021), section 3.1: the threshold of class j is the mean of p(j | x) over the photos labeled
    j. A photo is counted in the class of its largest probability among those that reach their
    threshold; off the diagonal of that count, the label is suspected. Ranked by the margin
    p(label) − p(counted).

    Parameters
    ----------
    probabilities : ndarray of shape (N, K)
        Probability of each of the K ``classes``. They must come from a network that was not
        trained on these photos; otherwise it has learned wrong labels by heart.
    truth : int ndarray of shape (N,)
        Class index of each label, one of ``classes``.
    classes : int ndarray of shape (K,)
        The classes, sorted.
    """
    own = np.searchsorted(classes, truth)
    thresholds = np.array(
        [probabilities[own == number, number].mean() for number in range(len(classes))]
    )
    counted_in = np.where(probabilities >= thresholds, probabilities, -1.0)
    counted = counted_in.argmax(axis=1)
    rows = np.arange(len(truth))
    is_suspect = (counted_in[rows, counted] >= 0) & (counted != own)
    margins = probabilities[rows, own] - probabilities[rows, counted]
    order = [i for i in np.argsort(margins, kind="stable") if is_suspect[i]]
    return [
        SuspectedLabel(int(i), int(truth[i]), int(classes[counted[i]]), float(margins[i]))
        for i in order
    ]
