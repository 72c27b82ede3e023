"""RISE, Sobol indices, Shapley values and LIME computed again, one masked image at a time.

Nothing of optogram is imported here. Masks and subsets are given: what is random is the method's.
"""

import itertools
import math

import numpy as np

import literal


def rise(model, x, score, masks, base):
    """Equation 6 of Petsiuk et al., sum by sum, and the standard error from pair to pair."""
    terms = []
    for mask in masks:
        seen = base + mask[:, :, None] * (x - base)
        terms.append(score(literal.logits(model, seen.astype("float32"))) * mask / 0.5)
    terms = np.array(terms, np.float64)
    pairs = (terms[::2] + terms[1::2]) / 2
    return terms.mean(axis=0), pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))


def rise_masks(size, cells, shifts):
    """Grids of 0 and 1 enlarged bilinearly to one cell more than the image, and cut out."""
    found = []
    for grid, (top, left) in zip(cells, shifts, strict=True):
        cell = [math.ceil(side / len(grid)) for side in size]
        large = literal.upsampled(grid, [(len(grid) + 1) * side for side in cell])
        mask = large[top : top + size[0], left : left + size[1]]
        found += [mask, 1 - mask]
    return found


def faded(x, base, cells):
    """The image as far as each cell of a grid shows it."""
    height, width, _ = x.shape
    seen = np.empty_like(x)
    for y, column in itertools.product(range(height), range(width)):
        share = cells[y * len(cells) // height, column * len(cells) // width]
        seen[y, column] = base[y, column] + share * (x[y, column] - base[y, column])
    return seen


def sobol(model, x, score, points, base):
    """Jansen's estimator of the total index of each cell, over all points (rows, 2·cells)."""
    count = points.shape[1] // 2
    side = math.isqrt(count)

    def at(cells):
        return float(score(literal.logits(model, faded(x, base, cells.reshape(side, side)))))

    first, second = [at(row[:count]) for row in points], [at(row[count:]) for row in points]
    variance = np.var([*first, *second], ddof=1)
    indices = np.zeros(count)
    for cell in range(count):
        for row, before in zip(points, first, strict=True):
            changed = row[:count].copy()
            changed[cell] = row[count + cell]
            indices[cell] += (before - at(changed)) ** 2 / (2 * len(points))
    return indices.reshape(side, side) / variance


def logits_of_subset(model, x, labels, base, visible):
    is_visible = np.isin(labels, np.flatnonzero(visible))[:, :, None]
    return literal.logits(model, np.where(is_visible, x, base))


def shapley(model, x, labels, base):
    """The definition: the mean gain by a segment over all orders in which segments come.

    (segments, classes).
    """
    count = labels.max() + 1
    known = {
        subset: logits_of_subset(model, x, labels, base, subset)
        for subset in itertools.product((False, True), repeat=int(count))
    }
    values = np.zeros((count, len(known[(True,) * count])))
    for subset, without in known.items():
        size = sum(subset)
        for segment in range(count):
            if not subset[segment]:
                extended = (*subset[:segment], True, *subset[segment + 1 :])
                weight = 1 / (count * math.comb(count - 1, size))
                values[segment] += weight * (known[extended] - without)
    return values


def kernel_shap(scores, visible, empty, full):
    """Least squares with the last segment taken out by the constraint that all add up."""
    drawn = visible.astype(np.float64)
    rest = np.array(scores) - empty - drawn[:, -1] * (full - empty)
    found = np.linalg.lstsq(drawn[:, :-1] - drawn[:, -1:], rest, rcond=None)[0]
    return np.append(found, full - empty - found.sum())


def lime(scores, visible):
    """Ridge regression by scikit-learn, with the weights of LIME's authors' code."""
    from sklearn.linear_model import Ridge
    from sklearn.metrics import pairwise_distances

    drawn = visible.astype(np.float64)
    distances = pairwise_distances(drawn, np.ones((1, drawn.shape[1])), metric="cosine").ravel()
    weights = np.sqrt(np.exp(-(distances**2) / 0.25**2))
    model = Ridge(alpha=1, fit_intercept=True).fit(drawn, scores, sample_weight=weights)
    return model.coef_, model.score(drawn, scores, sample_weight=weights)
