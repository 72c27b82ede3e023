"""The order of attribution methods by their measures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optogram.result.measures import MEASURES, RIVALS

RESAMPLES = 2000
_TOGETHER = 100
_SEED = 0
_INSIDE = (2.5, 97.5)
"""Percentiles at the ends of a 95 % interval."""
_LIKE_AN_EDGE_DETECTOR = 0.5
"""Rank correlation after scrambling, as in `Check.depends_on_weights`."""


@dataclass(frozen=True)
class Ranking:
    """The order of methods.

    Attributes
    ----------
    order : tuple of str
        The methods that are ranked, best first.
    mean_ranks : tuple of float
        Mean rank of each over the measures of faithfulness; 1 is first in all of them.
    tied : tuple of str
        Those that cannot be told from the best: the 95 % interval of the difference of their mean
        ranks contains 0. The best is the first.
    left_out : mapping of str to str
        The methods that are not ranked, with the reasons.
    """

    order: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    tied: tuple[str, ...]
    left_out: Mapping[str, str]


def means_of(values: np.ndarray) -> np.ndarray:
    """(M, K): means of ``values`` (M, N, K) over photos, without NaN; NaN where there are none."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    sums = np.where(known, values, 0).sum(axis=1)
    return np.divide(sums, count, out=np.full(sums.shape, np.nan), where=count > 0)


def resampled_means(values: np.ndarray) -> Iterator[np.ndarray]:
    """(R, M, K): means over photos that are drawn with replacement, the same for all methods.

    `RESAMPLES` in all, a part at a time. NaN where none of the photos drawn has a value.
    """
    photos = values.shape[1]
    generator, known = np.random.default_rng(_SEED), np.isfinite(values)
    given = np.where(known, values, 0).transpose(1, 0, 2).reshape(photos, -1)
    there = known.transpose(1, 0, 2).reshape(photos, -1).astype(float)
    for _ in range(0, RESAMPLES, _TOGETHER):
        drawn = generator.multinomial(photos, np.full(photos, 1 / photos), _TOGETHER)
        sums, counts = drawn @ given, drawn @ there
        means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
        yield means.reshape(-1, values.shape[0], values.shape[2])


def intervals_of(values: np.ndarray) -> np.ndarray:
    """(M, K, 2): 95 % intervals of the means over photos, by bootstrap.

    NaN where fewer than two photos have a value.
    """
    means = np.concatenate(list(resampled_means(values)))
    few = np.isfinite(values).sum(axis=1) < 2
    found = np.full((*few.shape, 2), np.nan)
    for place in zip(*np.nonzero(~few), strict=True):
        found[place] = np.nanpercentile(means[:, *place], _INSIDE)
    return found


def ranked(
    values: np.ndarray,
    methods: Sequence[str],
    measures: Sequence[str],
    coarse: np.ndarray,
    reasons: Mapping[str, str],
) -> Ranking:
    """The order of the ``methods`` with ``values`` (M, N, K).

    A method is left out if it has no values, if its map keeps a rank correlation of 0.5 or more
    when the weights are scrambled, or if it is not better than a random map, as coarse as its own,
    in more than half of the measures of faithfulness. The others are ordered by their mean rank
    over these measures.
    """
    faithful = [i for i, name in enumerate(measures) if MEASURES[name].is_of_faithfulness]
    means = means_of(values)
    # Larger is better from here on.
    signs = np.array([1 if MEASURES[name].is_larger_better else -1 for name in measures])
    good = (means * signs)[:, faithful]
    left_out: dict[str, str] = {}
    kept: list[int] = []
    for row, name in enumerate(methods):
        if name in RIVALS:
            continue
        why = _why_not(row, methods, measures, means, good, bool(coarse[row]), reasons)
        if why:
            left_out[name] = why
        else:
            kept.append(row)
    if not kept or not faithful:
        return Ranking((), (), (), left_out)
    ranks = _mean_ranks(good[kept])
    order = np.argsort(ranks, kind="stable")
    best = int(order[0])
    lowest = _least_behind((values * signs)[kept][:, :, faithful], best)
    names = [methods[row] for row in kept]
    return Ranking(
        tuple(names[i] for i in order),
        tuple(float(ranks[i]) for i in order),
        tuple(names[i] for i in order if i == best or lowest[i] <= 0),
        left_out,
    )


def _why_not(
    row: int,
    methods: Sequence[str],
    measures: Sequence[str],
    means: np.ndarray,
    good: np.ndarray,
    is_coarse: bool,
    reasons: Mapping[str, str],
) -> str:
    """Why a method is not ranked; "" if it is."""
    name = methods[row]
    if not np.isfinite(good[row]).all():
        return reasons.get(name, "It has no values of some measures.")
    if "randomization" in measures:
        alike = means[row, list(measures).index("randomization")]
        if alike >= _LIKE_AN_EDGE_DETECTOR:
            return (
                "Its map hardly depends on the weights: scrambled, it keeps a rank correlation of "
                f"{alike:.2f}."
            )
    rival = "random_cells" if is_coarse else "random_pixels"
    if rival in methods:
        better = good[row] > good[methods.index(rival)]
        if 2 * better.sum() <= len(better):
            return (
                f"It is better than a random map in {better.sum()} of {len(better)} measures of "
                "faithfulness only."
            )
    return ""


def _mean_ranks(good: np.ndarray) -> np.ndarray:
    """Mean ranks (..., M) of methods with values (..., M, K), larger is better; 1 is first."""
    from scipy.stats import rankdata

    return rankdata(-good, axis=-2).mean(axis=-1)


def _least_behind(values: np.ndarray, best: int) -> np.ndarray:
    """(M,): the lower end of the 95 % interval of each mean rank less that of the ``best``."""
    if values.shape[1] < 2:
        return np.zeros(len(values))  # of one photo nothing can be said
    ranks = np.concatenate([_mean_ranks(np.nan_to_num(m)) for m in resampled_means(values)])
    return np.percentile(ranks - ranks[:, best : best + 1], _INSIDE[0], axis=0)
