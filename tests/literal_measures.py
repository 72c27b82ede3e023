"""The measures of attribution maps, computed slowly and literally, without optogram."""

import itertools

import numpy as np


def road_imputed(x, removed):
    """Each removed pixel is the weighted mean of its neighbors: one dense system."""
    height, width = removed.shape
    places = [place for place in itertools.product(range(height), range(width)) if removed[place]]
    number = {place: i for i, place in enumerate(places)}
    left = np.zeros((len(places), len(places)))
    right = np.zeros((len(places), x.shape[2]))
    for i, (y, z) in enumerate(places):
        for down, across in itertools.product((-1, 0, 1), repeat=2):
            beside = (y + down, z + across)
            if (down, across) == (0, 0) or not (0 <= beside[0] < height and 0 <= beside[1] < width):
                continue
            weight = 1 / 12 if down and across else 1 / 6
            left[i, i] += weight
            if beside in number:
                left[i, number[beside]] -= weight
            else:
                right[i] += weight * x[beside]
    found = x.copy()
    for place, pixel in zip(places, np.linalg.solve(left, right), strict=True):
        found[place] = pixel
    return found


def pearson(first, second):
    return np.corrcoef(first, second)[0, 1]


def gini(values):
    """Half the mean absolute difference of all pairs, over the mean."""
    values = np.abs(values).ravel()
    return np.abs(values[:, None] - values[None]).mean() / (2 * values.mean())


def entropy(values):
    """Of the histogram of 100 equal bins."""
    values = np.asarray(values, float).ravel()
    low, high = values.min(), values.max()
    counts = np.zeros(100)
    for value in values:
        counts[min(99, int((value - low) / (high - low) * 100))] += 1
    return -sum(c / len(values) * np.log(c / len(values)) for c in counts if c)


def infidelity(predicted, drops):
    """The least mean of (β · predicted − drop)² over β ≥ 0, by trying, over that of drop²."""
    betas = np.linspace(0, 5 * np.abs(drops).max() / max(np.abs(predicted).max(), 1e-9), 200001)
    least = min(
        np.mean((beta * predicted - drops) ** 2)
        for beta in (*betas[::200], *betas[: len(betas) // 50])
    )
    return least / np.mean(drops**2)


def energy(heat, box):
    """The share of the positive sum in a box of whole pixels."""
    top, left, bottom, right = box
    return np.maximum(heat[top:bottom, left:right], 0).sum() / np.maximum(heat, 0).sum()
