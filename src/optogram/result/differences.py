"""How units differ between two photos, or between two networks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, overload

import numpy as np

from optogram.arguments import shown, whole
from optogram.errors import InputError
from optogram.result.base import Result
from optogram.result.plotting import placed, placed_chart, require_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

MEASURES = ("mean", "maximum", "maps", "weights")
"""What units are compared by, in the order of the columns of `UnitDifferences`."""

_ROUNDING = 1e-6
"""Smaller differences come from rounding."""


class UnitDifference(NamedTuple):
    """One unit, on both sides, and how much it differs."""

    layer: str
    other_layer: str
    unit: int
    value: float
    means: tuple[float, float]
    maxima: tuple[float, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class UnitDifferences(Result):
    """How much each unit of layers differs between two sides: ``values`` (units, 4).

    The columns are the `MEASURES`: "mean", "maximum", "maps", "weights"; NaN where one is not
    defined. See `unit_differences` for the formulas.

    Attributes
    ----------
    layers, other_layers : tuple of str
        Names of the layers on each side.
    rows : int ndarray of shape (units,)
        Index of each unit's layer in ``layers``.
    units : int ndarray of shape (units,)
        Number of each unit in its layer.
    means, maxima, deviations : float64 ndarrays of shape (units, 2)
        Mean, maximum and standard deviation of the maps of each unit on each side.
    measures : tuple of str
        The measures that are defined, the one to begin with first.
    """

    shapes: ClassVar = {
        "values": "U 4",
        "rows": "U",
        "units": "U",
        "means": "U 2",
        "maxima": "U 2",
        "deviations": "U 2",
    }

    layers: tuple[str, ...]
    other_layers: tuple[str, ...]
    rows: np.ndarray
    units: np.ndarray
    means: np.ndarray
    maxima: np.ndarray
    deviations: np.ndarray
    measures: tuple[str, ...]

    @property
    def inactive(self) -> np.ndarray:
        """(units,): whether all maps of a unit are zero, on both sides."""
        return ((self.deviations == 0) & (self.maxima == 0)).all(axis=1)

    def most(
        self, count: int = 10, by: str | None = None, layer: str | None = None
    ) -> list[UnitDifference]:
        """The units that differ most, largest difference first.

        Parameters
        ----------
        count : int
            Number of units, at most. Units that differ by rounding alone, or for which the
            measure is not defined, are left out.
        by : {"mean", "maximum", "maps", "weights"}, optional
            The measure. None: the first of ``measures``.
        layer : str, optional
            Name of a layer of the first side. None: all.

        Returns
        -------
        list of UnitDifference
            (layer, other_layer, unit, value, means, maxima) of each.

        Raises
        ------
        InputError
            If the measure is not defined here, or the layer is not among ``layers``.
        """
        by = self.measures[0] if by is None else by
        if by not in self.measures:
            known = " or ".join(f'"{each}"' for each in self.measures)
            raise InputError(f"by must be {known} here, not {shown(by)}.")
        values = self.values[:, MEASURES.index(by)].astype(np.float64)
        listed = np.nan_to_num(values) > _ROUNDING
        if layer is not None:
            if layer not in self.layers:
                raise InputError(
                    f"{shown(layer)} was not compared: give one of the {len(self.layers)} layers, "
                    f"such as {self.layers[-1]!r}."
                )
            listed &= self.rows == self.layers.index(layer)
        order = np.argsort(-values[listed], kind="stable")[: whole("count", count, 1)]
        return [
            UnitDifference(
                self.layers[self.rows[i]],
                self.other_layers[self.rows[i]],
                int(self.units[i]),
                float(values[i]),
                (float(self.means[i, 0]), float(self.means[i, 1])),
                (float(self.maxima[i, 0]), float(self.maxima[i, 1])),
            )
            for i in np.flatnonzero(listed)[order]
        ]

    @overload
    def plot(self, *, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, ax: "Axes") -> "Axes": ...

    def plot(self, *, ax: "Axes | None" = None) -> "Image | Axes":
        """A chart: the differences of all units by each measure, from large to small.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.
        """
        lines = {}
        for name in self.measures:
            values = self.values[:, MEASURES.index(name)]
            values = np.sort(values[np.isfinite(values)])[::-1].astype(np.float64)
            lines[name] = (np.arange(1, len(values) + 1), values)
        return placed_chart(ax, lines, title="units that differ", x_label="rank of the unit")


@dataclass(frozen=True, eq=False, kw_only=True)
class UnitCorrelations(Result):
    """Correlations of the maps of all units of two layers: ``values`` (units, other units).

    NaN for units whose maps are equal everywhere.

    Attributes
    ----------
    layer, other_layer : str
        Names of the layers.
    other : str
        Name of the other network.
    """

    shapes: ClassVar = {"values": "U V"}

    layer: str
    other_layer: str
    other: str

    def nearest(self, unit: int, count: int = 1) -> list[tuple[int, float]]:
        """The units of the other layer whose maps correlate most with those of a unit.

        Parameters
        ----------
        unit : int
            Number of the unit.
        count : int
            Number of units, at most.

        Returns
        -------
        list of (int, float)
            Number and correlation of each, the highest first; empty if the unit's maps are equal
            everywhere.

        Raises
        ------
        InputError
            If there is no such unit.
        """
        require_numbers(self.layer, "units", [unit], len(self.values))
        row = self.values[unit]
        order = np.argsort(-np.nan_to_num(row, nan=-np.inf), kind="stable")
        known = [int(i) for i in order[: whole("count", count, 1)] if np.isfinite(row[i])]
        return [(i, float(row[i])) for i in known]

    @overload
    def plot(self, *, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, ax: "Axes") -> "Axes": ...

    def plot(self, *, ax: "Axes | None" = None) -> "Image | Axes":
        """The correlations as a picture: units of the layer from top to bottom.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.
        """
        from optogram.render import Scale, heatmap

        picture = heatmap(
            self.values, scale=Scale(-1.0, 1.0, True), interpolation="nearest", unit="correlation"
        )
        return placed(picture, ax)
