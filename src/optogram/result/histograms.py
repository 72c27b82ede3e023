"""Histograms of activations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, overload

import numpy as np

from optogram.errors import InputError
from optogram.result.base import Result
from optogram.result.plotting import placed
from optogram.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_COLUMNS = 3
_FRAME = (120, 290)
"""Height and width of each chart, in pixels."""
_MOST_CHARTS = 60


@dataclass(frozen=True, eq=False, kw_only=True)
class ActivationHistograms(Result):
    """Histograms of the activations of each filter: ``values`` (filters, bins), the counts.

    Attributes
    ----------
    layer : str
        Name of the layer.
    photos : int
        Number of photos that were read.
    edges : float64 ndarray of shape (filters, bins + 1)
        Edges of the bins of each filter. A bin includes its left edge and not its right one. The
        last bins may be empty.
    mean, minimum, maximum : float64 ndarrays of shape (filters,)
        Of all activations of a filter.
    zeros : float64 ndarray of shape (filters,)
        Share of activations that are exactly 0, from 0 to 1; 1 for a filter that is inactive
        everywhere.
    unread : tuple of str
        Photos that could not be read and were skipped.
    """

    shapes: ClassVar = {
        "values": "F b",
        "edges": "F e",
        "mean": "F",
        "minimum": "F",
        "maximum": "F",
        "zeros": "F",
    }

    layer: str
    photos: int
    edges: np.ndarray
    mean: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    zeros: np.ndarray
    unread: tuple[str, ...] = ()

    @overload
    def plot(self, filters: Sequence[int] | None = None, *, ax: None = None) -> "Image": ...

    @overload
    def plot(self, filters: Sequence[int] | None = None, *, ax: "Axes") -> "Axes": ...

    def plot(
        self, filters: Sequence[int] | None = None, *, ax: "Axes | None" = None
    ) -> "Image | Axes":
        """A chart for each filter: the share of its activations in each bin.

        Exact zeros, of which a rectifier makes many, are left out; the title has their share.

        Parameters
        ----------
        filters : sequence of int, optional
            Filter numbers. None: the first twelve.
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.

        Raises
        ------
        InputError
            If there is no such filter, or more than 60 are given.
        """
        from optogram.render import chart, compact, sheet

        count = len(self.values)
        chosen = list(range(min(count, 12)) if filters is None else filters)
        missing = [one for one in chosen if not 0 <= one < count]
        if missing or not 1 <= len(chosen) <= _MOST_CHARTS:
            raise InputError(
                f"filters must be 1 to {_MOST_CHARTS} numbers from 0 to {count - 1}, not "
                f"{missing[0] if missing else counted(len(chosen), 'number')}."
            )
        charts = []
        for one in chosen:
            edges, counts = self.edges[one], self.values[one].astype(float)
            total = max(1.0, counts.sum())
            if self.zeros[one]:
                counts[np.searchsorted(edges, 0, side="right") - 1] -= self.zeros[one] * total
            used = np.flatnonzero(self.values[one])
            last = used[-1] + 1 if len(used) else 1
            shares = np.maximum(counts[:last], 0) / total
            xs, ys = np.repeat(edges[: last + 1], 2), np.repeat(shares, 2)
            title = f"filter {one}: mean {compact(float(self.mean[one]))}"
            if self.zeros[one]:
                percent = 100 * self.zeros[one]
                title += f", {percent:.0f}% zero" if percent >= 1 else ", below 1% zero"
            charts.append(
                chart(
                    {"share of activations": (xs, np.concatenate([[0.0], ys, [0.0]]))},
                    title=title,
                    x_label="activation",
                    size=_FRAME,
                )
            )
        rows = [charts[i : i + _COLUMNS] for i in range(0, len(charts), _COLUMNS)]
        words = f"{self.layer}, {counted(self.photos, 'photo')}"
        return placed(sheet(rows, captions=[words] + [""] * (len(rows) - 1), text=14), ax)
