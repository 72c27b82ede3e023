"""Altered copies of one image, of which all measures ask together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from optogram.methods.request.request import Request, weighted_sums
from optogram.progress import Progress


@dataclass(frozen=True)
class Variants:
    """Altered copies of an image that one measure asks for.

    Attributes
    ----------
    count : int
        Their number.
    make : callable
        ``make(i)`` is copy i, (H, W, C), in network units. Copies are made when they are fed.
    """

    count: int
    make: Callable[[int], np.ndarray]


def scores_of_all(
    requests: Sequence[Request],
    asked: Sequence[Variants],
    memory: float | str | None,
    progress: Progress,
) -> list[np.ndarray]:
    """The scores of all copies, of each measure that asks (len(requests), count).

    All copies go through the network in one stream of batches, whoever asks for them.

    Parameters
    ----------
    requests : sequence of Request
        Scores of one network for one image and one target each, such as logit and probability.
    asked : sequence of Variants
        The copies.
    memory, progress
        As in `Computation.stream`.
    """
    net, size = requests[0].net, requests[0].size
    weights = [request.weights() for request in requests]
    outputs = list(dict.fromkeys(output for each in weights for output in each))
    ends = np.cumsum([variants.count for variants in asked])
    total = int(ends[-1]) if len(ends) else 0
    scores = np.empty((len(requests), total), np.float32)

    def made(number: int) -> np.ndarray:
        which = int(np.searchsorted(ends, number, side="right"))
        return asked[which].make(number - int(ends[which]) + asked[which].count)

    def feed(part: slice) -> np.ndarray:
        return np.stack([made(i) for i in range(part.start, part.stop)]).astype(np.float32)

    for part, found in net.stream(feed, total, size, outputs, memory, progress):
        values = dict(zip(outputs, found, strict=True))
        for row, each in enumerate(weights):
            scores[row, part] = weighted_sums([values[one] for one in each], each).reshape(-1)
    return np.split(scores, ends[:-1], axis=1) if total else []
