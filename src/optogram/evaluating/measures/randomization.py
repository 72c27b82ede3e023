"""Weight randomization: whether a map depends on what the network learned."""

import numpy as np

from optogram.methods.request.request import Request
from optogram.methods.sanity.perturbation import rank_correlation
from optogram.methods.sanity.scrambling import cascade
from optogram.network.network import Network

_BINS = 100


def scrambled(request: Request, seed: int) -> Network:
    """The network with the values of every weight array permuted, that the score depends on."""
    *_, last = (stage.net for stage in cascade(request.net, request.scored(), seed))
    return last


def randomization(own: np.ndarray, again: np.ndarray) -> float:
    """Rank correlation of a map (h, w) with the map after all layers were scrambled.

    Adebayo et al., "Sanity checks for saliency maps" (2018), section 3.1, at the last stage of
    the cascade that `optogram.check` has. Near 0 is good; 1 is an edge detector.
    """
    return rank_correlation(own, again)


def complexity_change(own: np.ndarray, again: np.ndarray) -> float:
    """Relative change of the complexity of a map when all layers are scrambled.

    Hedström et al., "A fresh look at sanity checks for saliency maps" (2024), eMPRT:
    (ξ(scrambled) − ξ(map)) / ξ(map), where ξ is the entropy of the histogram of the values, here
    of 100 bins from the least to the largest. Above 0 is good: maps of a network that knows
    nothing are more complex. NaN for a constant map.
    """
    before = complexity(own)
    return (complexity(again) - before) / before if before else float("nan")


def complexity(values: np.ndarray) -> float:
    """Entropy in nats of the histogram of ``values``; 0 if they are all equal."""
    if np.ptp(values) == 0:
        return 0.0
    counts, _ = np.histogram(values.astype(float), _BINS)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
