"""Layout of activations in the plane, and grids over it."""

import warnings
from dataclasses import dataclass

import numpy as np

from optogram.errors import InputError
from optogram.words import counted

NEIGHBORS, LEAST_DISTANCE = 50, 0.05
"""Parameters of UMAP as published (Carter et al. 2019)."""
_FEWEST = 16
"""Samples that UMAP can lay out, at least."""
_LOW, _HIGH, _MARGIN = 1, 99, 0.1
"""Percentiles that the layout is cut to, and the margin that is left beyond, as in Lucid."""


def laid_out(activations: np.ndarray, seed: int) -> np.ndarray:
    """Places (n, 2) in 0…1 of activations (n, channels): neighbors by cosine lie together.

    McInnes, Healy and Melville, "UMAP" (2018), with the published parameters of the atlas; then
    cut to the percentiles 1 to 99 and a margin of 0.1, beyond which samples lie on the edge.

    Raises
    ------
    InputError
        If there are too few samples, or the package umap-learn is missing.
    """
    if len(activations) < _FEWEST:
        raise InputError(
            f"An atlas needs {_FEWEST} samples at least, but there are {len(activations)}: give "
            "more photos, or more positions per photo."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reducer = require_umap()(
            n_neighbors=min(NEIGHBORS, len(activations) - 1),
            min_dist=LEAST_DISTANCE,
            metric="cosine",
            random_state=seed,
            n_jobs=1,  # a fixed random state allows no more
        )
        places = np.asarray(reducer.fit_transform(activations), np.float64)
    return normalized(places)


def require_umap() -> type:
    """The class of umap-learn; InputError if it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from umap import UMAP
    except ImportError as error:
        raise InputError(
            "The layout of an activation atlas needs the package umap-learn: "
            'pip install "optogram[atlas]".'
        ) from error
    return UMAP


def normalized(places: np.ndarray) -> np.ndarray:
    """Places (n, 2), cut to their percentiles and scaled to 0…1."""
    low, high = np.percentile(places, [_LOW, _HIGH], axis=0)
    spread = high - low
    cut = np.clip(places, low - _MARGIN * spread, high + _MARGIN * spread)
    cut -= cut.min(axis=0)
    return (cut / np.maximum(cut.max(axis=0), np.finfo(np.float32).tiny)).astype(np.float32)


@dataclass(frozen=True)
class Cells:
    """The cells of all grids, grid by grid, row by row.

    Attributes
    ----------
    grids : int ndarray of shape (cells,)
        Number of rows, and of columns, of the grid of each cell.
    places : int ndarray of shape (cells, 2)
        Row and column.
    members : list of int ndarray
        Samples in each cell.
    """

    grids: np.ndarray
    places: np.ndarray
    members: list[np.ndarray]


def cells_of(layout: np.ndarray, grids: tuple[int, ...], least: int) -> Cells:
    """The cells with at least ``least`` samples.

    Raises
    ------
    InputError
        If a grid has no such cell.
    """
    of, places, members = [], [], []
    for grid in grids:
        column, row = np.minimum((layout * grid).astype(int), grid - 1).T
        flat = row * grid + column
        order = np.argsort(flat, kind="stable")
        numbers, starts, counts = np.unique(flat[order], return_index=True, return_counts=True)
        full = counts >= least
        if not full.any():
            raise InputError(
                f"No cell of the {grid}×{grid} grid has {counted(least, 'sample')}: give more "
                "photos, a coarser grid or a smaller least."
            )
        for number, start, count in zip(numbers[full], starts[full], counts[full], strict=True):
            of.append(grid)
            places.append(divmod(int(number), grid))
            members.append(order[start : start + count])
    return Cells(np.array(of), np.array(places), members)
