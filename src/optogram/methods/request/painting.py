"""The fill of an occluding patch."""

from collections.abc import Sequence

import numpy as np

from optogram.errors import InputError
from optogram.network.network import Network


def paint_for(
    net: Network,
    x: np.ndarray,
    fill: float | str,
    fill_space: str,
    extent: int,
    words: Sequence[str] = ("mean", "blur"),
) -> np.ndarray:
    """The fill as images (M, H, W, C) in network units.

    ``extent`` is the side of the filled area; ``words`` are the names of fills that the caller
    takes, for the error message.
    """
    if fill_space not in ("display", "network"):
        raise InputError(f'fill_space must be "display" or "network", not {fill_space!r}.')
    if fill == "blur":
        return blurred(x, sigma=extent / 2)
    if fill == "mean":
        return np.broadcast_to(x.mean(axis=(1, 2), keepdims=True), x.shape)
    if isinstance(fill, str):
        *others, last = (f'"{word}"' for word in words)
        raise InputError(f"fill must be a number, {', '.join(others)} or {last}, not {fill!r}.")
    if not np.isfinite(fill):
        raise InputError(f"fill must be finite, not {fill}.")
    color = np.full((1, 1, 1, x.shape[3]), fill, np.float32)
    if fill_space == "display":
        if not 0 <= fill <= 255:
            raise InputError(
                f"fill is a gray in 0..255, not {fill:g}; in the network's own units say "
                'fill_space="network".'
            )
        color = net.preparation.to_network(color)
    return np.broadcast_to(color, x.shape)


def blurred(x: np.ndarray, sigma: float) -> np.ndarray:
    """Images (M, H, W, C) blurred by a Gaussian of ``sigma`` pixels, with borders extended."""
    from scipy.ndimage import gaussian_filter

    reach = max(1, round(3 * sigma))
    return gaussian_filter(x, sigma, mode="nearest", radius=reach, axes=(1, 2))
