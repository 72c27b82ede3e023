"""Relatives of the gradient computed again: slowly, in plain NumPy, Keras and autodiff.

Nothing of optogram is imported here; see `literal`.
"""

import functools

import keras
import numpy as np

import literal


def noisy_gradients(gradient_at, x, n, noise, seed):
    """Gradients at noisy copies, one at a time: (n, H, W, C)."""
    drawn = np.random.default_rng(seed).standard_normal((n, *x.shape), np.float32)
    deviation = np.float32(noise * (x.max() - x.min()))
    return np.array([gradient_at(x + one * deviation) for one in drawn], np.float64)


def vargrad(gradients):
    """The variance of what there is, not an estimate: the sum of squares over n, not n − 1."""
    mean = sum(gradients) / len(gradients)
    return sum((one - mean) ** 2 for one in gradients) / len(gradients)


def squaregrad(gradients):
    """The mean of the squares."""
    return sum(one**2 for one in gradients) / len(gradients)


def expected_gradients(gradient_at, x, baselines, samples, seed):
    """Equation 2 of Erion et al., pair by pair.

    Baselines are taken in turn. Points are float32, as in `literal.integrated_gradients`.
    """
    generator = np.random.default_rng(seed)
    within = generator.random(samples)
    order = generator.permutation(samples)
    total = np.zeros(x.shape)
    for k in range(samples):
        start = baselines[k % len(baselines)]
        t = np.float32((order[k] + within[k]) / samples)
        total += (x - start) * gradient_at(x + (t - 1) * (x - start))
    return total / samples


class Deconvolved(literal.GuidedRectifier):
    """A rectifier of any kind; on the way back, a rectifier of the gradient."""

    def call(self, x):
        def back(x, g):
            return keras.ops.where(g > 0, g, 0.0)

        return literal.with_gradient(self.rectified, back, x)


@functools.cache
def deconvolved_network(model):
    """A copy of ``model`` with `Deconvolved` at every rectifier."""
    return literal.with_rectifiers(model, Deconvolved)


def guided_integrated_gradients(gradient_at, x, start, steps, fraction, max_dist):
    """Algorithm 1 of Kapishnikov et al. (2021), with a quantile for each group of elements."""
    way = (x - start).astype(np.float64)
    whole = np.abs(way).sum()
    at, total = start.astype(np.float64), np.zeros(x.shape)
    for step in range(1, steps + 1):
        gradient = gradient_at(at.astype(np.float32)).astype(np.float64)
        least = start + max(step / steps - max_dist, 0) * way
        most = start + min(step / steps + max_dist, 1) * way
        then = at.copy()
        behind = (then - least) * np.sign(way) < 0
        then[behind] = least[behind]
        left = step / steps * whole - np.abs(then - start).sum()
        size = np.abs(gradient)
        while left > 1e-9 * whole:
            size[(most - then) * np.sign(way) <= 0] = np.inf
            limit = np.quantile(size, fraction, method="lower")
            group = (size <= limit) & np.isfinite(size)
            length = np.abs(most - then)[group].sum()
            share = min(1, left / length)
            then[group] += share * (most - then)[group]
            left -= share * length
            size[group] = np.inf
        total += (then - at) * gradient
        at = then
    return total


def xrai(attribution, picture):
    """Algorithm 1 of Kapishnikov et al. (2019), with a mask for each region."""
    from skimage.morphology import dilation
    from skimage.segmentation import felzenszwalb

    height, width, _ = picture.shape
    share = height * width / 224**2
    reach = round(5 * share**0.5)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = rows**2 + columns**2 <= reach**2
    gray = picture.astype(np.float64)
    scaled = (gray - gray.min()) / (gray.max() - gray.min()) * 2 - 1
    masks = []
    for scale in (50, 100, 150, 250, 500, 1200):
        labels = felzenszwalb(
            scaled, scale * share, 0.8, max(1, round(150 * share)), channel_axis=-1
        )
        masks += [dilation(labels == i, disk) for i in range(labels.max() + 1)]
    found, covered = np.zeros((height, width)), np.zeros((height, width), bool)
    while True:
        added = [mask & ~covered for mask in masks]
        gains = [
            attribution[new].mean() if new.sum() >= max(1, 50 * share) else -np.inf for new in added
        ]
        best = int(np.argmax(gains))
        if gains[best] == -np.inf:
            break
        found[added[best]], covered = gains[best], covered | added[best]
    if not covered.all():
        found[~covered] = attribution[~covered].mean()
    return found
