"""More class activation maps computed again, slowly, one image at a time.

In plain NumPy, Keras and autodiff, as in `literal`; nothing of optogram is imported here.
"""

import keras
import numpy as np

import literal


def hirescam(model, x, score, layer, rectify=True):
    """Gradient times map, element by element, summed over channels."""
    gradients, maps = literal.gradient(model, x, score, layer)
    total = np.zeros(maps.shape[:2])
    for k in range(maps.shape[2]):
        total += gradients[:, :, k] * maps[:, :, k].astype(np.float64)
    return np.maximum(total, 0) if rectify else total


def xgradcam(model, x, score, layer):
    """The weight of a map is its mean gradient, weighted by the map itself."""
    gradients, maps = literal.gradient(model, x, score, layer)
    total = np.zeros(maps.shape[:2])
    for k in range(maps.shape[2]):
        own = maps[:, :, k].astype(np.float64)
        if abs(own.sum()) > 1e-6 * abs(own).sum():
            total += (gradients[:, :, k] * own).sum() / own.sum() * own
    return np.maximum(total, 0)


def finercam(model, x, index, layer, similar=3, strength=0.6):
    """Grad-CAM of a class minus a share of the mean of those with the nearest scores."""
    scores = literal.logits(model, x)
    others = sorted(set(range(len(scores))) - {index}, key=lambda i: abs(scores[i] - scores[index]))
    others = others[:similar]

    def score(logits):
        return logits[index] - strength * sum(logits[i] for i in others) / len(others)

    return literal.gradcam(model, x, score, layer)


def principal(maps):
    """Maps (h, w, K) on their first right singular vector, whose elements have a positive sum."""
    rows = maps.reshape(-1, maps.shape[-1]).astype(np.float64)
    vector = np.linalg.svd(rows)[2][0]
    return (rows @ vector * np.sign(vector.sum())).reshape(maps.shape[:2])


def eigencam(model, x, layer):
    return principal(literal.feature_maps(model, x, layer))


def eigengradcam(model, x, score, layer):
    gradients, maps = literal.gradient(model, x, score, layer)
    return np.maximum(principal(gradients * maps), 0)
