"""Infidelity: how far a map is from predicting what removing a square does."""

import numpy as np

from optogram.evaluating.maps import Map

LEAST, MOST = 0.1, 0.5
"""Sides of the squares, as shares of the shorter side of the image."""


def squares(size: tuple[int, int], count: int, key: tuple[int, ...]) -> np.ndarray:
    """(count, H, W), True in a square of random side and place: the same for all maps."""
    generator = np.random.default_rng(key)
    shares, *places = generator.random((3, count))
    sides = np.maximum(1, np.rint((LEAST + (MOST - LEAST) * shares) * min(size))).astype(int)
    inside = []
    for length, place in zip(size, places, strict=True):
        start = np.floor(place * (length - sides + 1)).astype(int)[:, None]
        pixels = np.arange(length)
        inside.append((pixels >= start) & (pixels < start + sides[:, None]))
    return inside[0][:, :, None] & inside[1][:, None, :]


def infidelity(one: Map, removed: np.ndarray, parts: np.ndarray, drops: np.ndarray) -> float:
    """Share of the squared drops of the score that the map does not predict.

    Yeh et al., "On the (in)fidelity and sensitivity of explanations" (2019), definition 2.1 with
    square removal: E[(Iᵀφ − (f(x) − f(x − I)))²], where I replaces a random square by gray. The
    map is scaled first by the factor β ≥ 0 that makes it smallest, since maps have many units, and
    the result is divided by E[(f(x) − f(x − I))²]. 0 is best; 1 is a map that predicts nothing.

    Parameters
    ----------
    one : Map
        The map. Iᵀφ is the sum over the square of gradient × I, for maps of gradients; of
        contributions, which have been multiplied by the input already, for others.
    removed : ndarray of shape (H, W, C)
        The image less gray, in network units: what I takes away.
    parts : bool ndarray of shape (N, H, W)
        The squares.
    drops : ndarray of shape (N,)
        Drop of the explained score.
    """
    each = one.signed if one.gradient is None else (one.gradient * removed).sum(axis=-1)
    predicted = parts.reshape(len(parts), -1) @ each.ravel().astype(float)
    drops = drops.astype(float)
    whole = drops @ drops
    if whole == 0:
        return float("nan")
    own = predicted @ predicted
    scale = max(0.0, predicted @ drops / own) if own > 0 else 0.0
    left = scale * predicted - drops
    return float(left @ left / whole)
