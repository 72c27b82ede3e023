"""Scores of an image of which masks leave parts; the masked copies are made on the backend."""

import math
from collections.abc import Callable, Generator
from typing import Any

import keras
import numpy as np

from optogram.methods.request.request import Request, weighted_sums
from optogram.progress import Progress


def scores_of_masked(
    request: Request,
    image: int,
    base: np.ndarray,
    masks: Callable[[slice], np.ndarray],
    count: int,
    memory: float | str | None,
    progress: Progress,
) -> Generator[tuple[slice, np.ndarray], None, None]:
    """The scores of ``count`` masked copies of one image of a request, batch by batch.

    Parameters
    ----------
    request : Request
        The request, with resolved targets.
    image : int
        The number of the image.
    base : ndarray of shape (H, W, C)
        What is in place of what is masked.
    masks : callable
        Returns the masks (P, H, W, 1) for a slice of ``range(count)``. Floating-point masks are
        the share of the image at each pixel, in 0…1; Boolean ones choose between the two.
    count, memory, progress
        See `Computation.stream`.

    Yields
    ------
    (slice, ndarray of shape (T, P))
        The slice of copies, and the scores of the explanations of the image.
    """
    own = request.weights_of(image, request.weights())
    arrays = request.x[image : image + 1], base[None]
    for part, outputs in request.net.stream(
        masks, count, request.size, list(own), memory, progress, made_by=(_masked, arrays)
    ):
        yield part, weighted_sums(outputs, own)


def _masked(masks: Any, x: Any, base: Any) -> Any:
    ops = keras.ops
    # As rows: TensorFlow is slow where it repeats along the last axis.
    shape = (-1, *x.shape[1:])
    masks = ops.reshape(ops.tile(masks, (1, 1, 1, x.shape[-1])), (-1, math.prod(x.shape[1:])))
    x, base = ops.reshape(x, (1, -1)), ops.reshape(base, (1, -1))
    if keras.backend.standardize_dtype(masks.dtype) == "bool":
        return ops.reshape(ops.where(masks, x, base), shape)
    return ops.reshape(base + masks * (x - base), shape)
