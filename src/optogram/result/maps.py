"""Results about layers: feature maps and kernels."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, overload

import numpy as np

from optogram.arguments import as_index, checked, shown, whole
from optogram.errors import InputError
from optogram.files import require_place
from optogram.progress import ShownProgress, reporting
from optogram.result.base import Result
from optogram.result.photo import OfPhotos
from optogram.result.plotting import placed, require_numbers, require_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

    from optogram.render import Scale

ACTIVATION = "activation"
"""Unit of scale bars."""

_MOST_BINS = 10_000


Size = Literal["photo", "network"] | tuple[int, int]
"""What positions on an image are counted in."""


class Activation(NamedTuple):
    """The value of a filter at one position, and how far it is above the mean of its map."""

    channel: int
    value: float
    z_score: float


@dataclass(frozen=True, eq=False)
class FeatureMaps(OfPhotos, Result):
    """Feature maps of one layer: ``values`` (N, h, w, C).

    Attributes
    ----------
    images : uint8 ndarray of shape (N, H, W, C)
        The input images.
    layer : str
        Name of the layer.
    contributions : ndarray of shape (N, C), or None
        How much each map A contributes to a score S by varying over the image:
        Σ |∂S/∂A · (A − mean of A)| over its positions, in units of the score. 0 for a map that is
        equal everywhere. None unless `feature_maps` was given a target.
    field_rows, field_columns : ndarrays of shape (h, 2) and (w, 2), or None
        Rows of the input that each row of the maps can depend on: first, and last plus one, in
        pixels; the same for columns. See `receptive_field`.
    fit, seen, photo_size, prepared
        How the photos were prepared; see `Attribution`.
    """

    shapes: ClassVar = {
        "values": "N h w C",
        "images": "N H W c",
        "seen": "N 4",
        "photo_size": "N 2",
    }

    images: np.ndarray
    layer: str
    contributions: np.ndarray | None = None
    field_rows: np.ndarray | None = None
    field_columns: np.ndarray | None = None

    def strongest(self, count: int = 5, by: str = "mean") -> np.ndarray:
        """(N, count): the channels that rank highest for each image, highest first.

        Parameters
        ----------
        count : int
            Number of channels, at most.
        by : {"mean", "variation", "contribution"}
            "mean": the mean over positions, which is high for filters that are active
            everywhere. "variation": the standard deviation over positions. "contribution":
            `contributions` to a score.

        Raises
        ------
        InputError
            If ``by`` is unknown, or needs `contributions` and there are none.
        """
        means = self.values.mean(axis=(1, 2))
        if by == "mean":
            ranks = means
        elif by == "variation":
            ranks = self.values.std(axis=(1, 2))
        elif by == "contribution":
            if self.contributions is None or self.contributions.shape != means.shape:
                raise InputError(
                    "These feature maps have no contributions to a score: compute them with "
                    "feature_maps(…, target=…)."
                )
            ranks = self.contributions
        else:
            raise InputError(f'by must be "mean", "variation" or "contribution", not {shown(by)}.')
        return np.argsort(-ranks, axis=1, kind="stable")[:, :count]

    def histogram(
        self, channel: int | None = None, index: int = 0, bins: int | Sequence[float] = 32
    ) -> tuple[np.ndarray, np.ndarray]:
        """How often the values of one map of image ``index`` occur over its positions.

        Parameters
        ----------
        channel : int, optional
            Channel. None: the strongest map.
        index : int
            Index of the image.
        bins : int or sequence of float
            Number of bins of equal width, from the smallest value to the largest; or their edges,
            ascending. As in `numpy.histogram`, the last bin includes its right edge.

        Returns
        -------
        (int ndarray of shape (bins,), float ndarray of shape (bins + 1,))
            Counts and edges. Values that are not finite are not counted.

        Raises
        ------
        InputError
            If the layer has no such map, or the bins are invalid.
        """
        values = self.matrix(channel, index).ravel().astype(np.float64)
        return np.histogram(values[np.isfinite(values)], _bins(bins))

    def cell_at(
        self, y: float, x: float, index: int = 0, *, size: Size = "photo"
    ) -> tuple[int, int]:
        """(row, column) of the maps that is drawn at a pixel of image ``index``.

        Parameters
        ----------
        y, x : float
            Pixel of the photo, from 0.
        index : int
            Index of the image.
        size : "photo", "network" or (height, width)
            What the pixel is counted in; see `at`.

        Raises
        ------
        InputError
            If the network did not see the pixel, or the size of the photo is not known.
        """
        top, left, up, across = self._frame(size, index)
        height, width = self.images.shape[1:3]
        # The middle of the pixel, in pixels of the input.
        places = (y + 0.5 - top) / up, (x + 0.5 - left) / across
        if not (0 <= places[0] < height and 0 <= places[1] < width):
            raise InputError(
                f"The network did not see the pixel ({y:g}, {x:g}): give (y, x) from "
                f"({max(top, 0):g}, {max(left, 0):g}) to below ({top + height * up:g}, "
                f"{left + width * across:g})."
            )
        rows, columns = self.values.shape[1:3]
        return int(places[0] * rows / height), int(places[1] * columns / width)

    def receptive_field(
        self, row: int, column: int, index: int = 0, *, size: Size = "photo"
    ) -> tuple[float, float, float, float]:
        """The part of image ``index`` that an element of the maps can depend on.

        Parameters
        ----------
        row, column : int
            Position in the maps, from 0.
        index : int
            Index of the image.
        size : "photo", "network" or (height, width)
            Pixels of the photo, of the network's input, or of the photo resized; see `at`.

        Returns
        -------
        (float, float, float, float)
            Top, left, bottom, right, clipped to what the network saw; bottom and right are
            exclusive. Of a padded photo it may extend beyond the photo, into the padding.

        Raises
        ------
        InputError
            If there is no such position, or the size of the photo is not known.
        """
        if self.field_rows is None or self.field_columns is None:
            raise InputError(
                "The receptive fields are not known, since the maps come from an earlier version: "
                "compute them again with feature_maps."
            )
        row = whole("row", row, 0, len(self.field_rows) - 1)
        column = whole("column", column, 0, len(self.field_columns) - 1)
        top, left, up, across = self._frame(size, index)
        rows, columns = self.field_rows[row] * up + top, self.field_columns[column] * across + left
        return float(rows[0]), float(columns[0]), float(rows[1]), float(columns[1])

    def strongest_at(
        self,
        y: float,
        x: float,
        count: int = 5,
        index: int = 0,
        *,
        by: str = "activation",
        size: Size = "photo",
    ) -> list[Activation]:
        """The filters with the highest values at a pixel of image ``index``, highest first.

        Parameters
        ----------
        y, x : float
            Pixel of the photo, from 0; the values are those of `cell_at` there.
        count : int
            Number of filters, at most.
        index : int
            Index of the image.
        by : {"activation", "z-score"}
            "activation": the value itself, which favors filters with large values everywhere.
            "z-score": the value minus the mean of its map, divided by the map's standard
            deviation; 0 for a map that is equal everywhere.
        size : "photo", "network" or (height, width)
            What the pixel is counted in; see `at`.

        Returns
        -------
        list of Activation
            (channel, value, z_score) of each.

        Raises
        ------
        InputError
            If the network did not see the pixel, the size of the photo is not known, or ``by`` is
            unknown.
        """
        if by not in ("activation", "z-score"):
            raise InputError(f'by must be "activation" or "z-score", not {shown(by)}.')
        row, column = self.cell_at(y, x, index, size=size)
        maps = self.values[index].astype(np.float64)
        values, deviation = maps[row, column], maps.std(axis=(0, 1))
        above = values - maps.mean(axis=(0, 1))
        scores = np.divide(above, deviation, out=np.zeros_like(above), where=deviation > 0)
        order = np.argsort(-(values if by == "activation" else scores), kind="stable")
        return [
            Activation(int(channel), float(values[channel]), float(scores[channel]))
            for channel in order[: whole("count", count, 1)]
        ]

    def matrix(self, channel: int | None = None, index: int = 0) -> np.ndarray:
        """(h, w): one map of image ``index``. ``channel=None``: the strongest map.

        Raises
        ------
        InputError
            If the layer has no such map.
        """
        if channel is None:
            channel = int(self.strongest(1)[index, 0])
        self._check([channel])
        return self.values[index, ..., channel]

    def scale(self, index: int = 0) -> "Scale":
        """The common scale of all maps of image ``index``: 0…max if none is negative."""
        from optogram.render import scale_of

        return scale_of(self.values[index])

    @property
    def signed(self) -> bool:
        """Whether a map has negative values: then 0 is in the middle of the scales of all maps."""
        return bool((self.values < 0).any())

    def mosaic(
        self, index: int = 0, channels: Sequence[int] | None = None, **style: Any
    ) -> "Image":
        """The maps of image ``index`` in one near-square grid on a common scale.

        Parameters
        ----------
        index : int
            Index of the image.
        channels : sequence of int, optional
            Channels, in the order of the grid. None: all.
        **style
            See `optogram.render.mosaic`.

        Raises
        ------
        InputError
            If the layer has no such map, or the style is invalid.
        """
        from optogram.render import mosaic

        maps = self.values[index]
        if channels is not None:
            self._check(channels)
            maps = maps[..., list(channels)]
        return mosaic(maps, **{"signed": self.signed, "unit": ACTIVATION, **style})

    def overlay(
        self, channel: int | None = None, index: int = 0, photo: Any = None, **style: Any
    ) -> "Image":
        """One map over image ``index``. ``channel=None``: the strongest map.

        ``photo`` and ``style`` as in `Attribution.overlay`.
        """
        from optogram.render import overlay, scale_of

        below, where = self._below(photo, index)
        values = self.matrix(channel, index)
        if str(style.get("style", "even")) == "even":  # other styles have their own ends
            style.setdefault("scale", scale_of(values, signed=self.signed))
        return overlay(below, values, where=where, **{"unit": ACTIVATION, **style})

    def at(
        self,
        size: Literal["photo", "network"] | tuple[int, int],
        channel: int | None = None,
        index: int = 0,
    ) -> np.ndarray:
        """The one map of image ``index`` at the pixels of its photo.

        This is what `overlay` colors: interpolated by splines through the values at the centers of
        cells, or averaged where it is shrunk.

        Parameters
        ----------
        size : "photo", "network" or (height, width)
            "photo": every pixel of the photo. "network": every pixel of the network's input. A
            size in pixels: of the photo, resized.
        channel : int, optional
            Channel. None: the strongest map.
        index : int
            Index of the image.

        Returns
        -------
        float32 ndarray of shape (height, width)
            In units of ``values``. NaN outside the part of the photo that the network saw
            (``fit="crop"``), and where the map is not finite.

        Raises
        ------
        InputError
            If the size of the photo is not known, the layer has no such map, or a size is not
            positive.
        """
        return self._at(self.matrix(channel, index), size, index)

    def write_each(
        self,
        folder: str | os.PathLike,
        index: int = 0,
        channels: Sequence[int] | None = None,
        *,
        cell: int | None = None,
        progress: ShownProgress = None,
        **style: Any,
    ) -> list[Path]:
        """Write each map of image ``index`` to its own file, all on one scale.

        Parameters
        ----------
        folder : path
            An existing folder; files are named by channel, such as 007.png.
        index : int
            Index of the image.
        channels : sequence of int, optional
            Channels. None: all.
        cell : int, optional
            Longer side of a map in its picture, in pixels. None: a legible size.
        progress : bool or callable, optional
            True shows a bar, in terminals and notebooks; a function is called as
            ``progress(done, total, what)``; ``what`` describes the work.
        **style
            See `optogram.render.heatmap`. Default: the `scale` of the layer, and nearest-neighbor
            interpolation.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        InputError
            If the layer has no such map, or the style is invalid.
        OutputError
            If a file cannot be written, or would replace one that optogram did not make.
        """
        from optogram.render import heatmap, write

        *_, height, width, count = self.values.shape
        chosen = list(range(count) if channels is None else channels)
        self._check(chosen)
        style = {
            "scale": self.scale(index),
            "interpolation": "nearest",
            "unit": ACTIVATION,
            **style,
        }
        if cell is not None:
            factor = cell / max(height, width)
            style["size"] = (max(1, round(height * factor)), max(1, round(width * factor)))
        digits = len(str(count - 1))
        files = [Path(folder) / f"{channel:0{digits}}.png" for channel in chosen]
        for file in files:
            require_place(file)
        with reporting(progress) as told:
            for done, (channel, file) in enumerate(zip(chosen, files, strict=True)):
                told(done, len(chosen), f"maps of {self.layer}")
                write(heatmap(self.values[index, ..., channel], **style), file)
            told(len(chosen), len(chosen), f"maps of {self.layer}")
        return files

    @overload
    def plot(self, *, cell: int | None = None, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, cell: int | None = None, ax: "Axes") -> "Axes": ...

    def plot(self, *, cell: int | None = None, ax: "Axes | None" = None) -> "Image | Axes":
        """The mosaic of each image, one below the other.

        ``cell``: longer side of each map in pixels. ``ax`` as in `Result.plot`.
        """
        from optogram.render import sheet

        count, *_, channels = self.values.shape
        side = math.isqrt(channels - 1) + 1
        require_tiles(cell, count * side, side)
        rows = [[self.mosaic(i, cell=cell)] for i in range(count)]
        return placed(sheet(rows, titles=[self.layer]), ax)

    def _check(self, channels: Sequence[int]) -> None:
        require_numbers(self.layer, "maps", channels, self.values.shape[-1])


@checked
def layer_by_layer(
    maps: Mapping[str, FeatureMaps],
    channels: Sequence[int] = range(5),
    index: int = 0,
    *,
    cell: int = 160,
    **style: Any,
) -> "Image":
    """Some maps of several layers as one picture, one row per layer.

    Parameters
    ----------
    maps : mapping of str to FeatureMaps
        Result of `feature_maps`.
    channels : sequence of int
        Channels of each layer.
    index : int
        Index of the image.
    cell : int
        Longer side of each map in the picture, in pixels.
    **style
        See `optogram.render.mosaic`. By default, each map is scaled from its minimum to its
        maximum; in layers with negative values, with 0 in the middle.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    InputError
        If there is no layer, or one has no such map.
    """
    from optogram.render import sheet, text_size

    if not maps:
        raise InputError("Expected the maps of at least one layer, got none.")
    require_tiles(cell, len(maps), len(channels))
    style = {"columns": len(channels), "cell": cell, **style}
    labels = [str(channel) for channel in channels]
    rows = []
    for layer in maps.values():
        own: dict[str, Any] = {}
        if "scale" not in style:
            own["per_map"] = True if layer.signed else "range"
        rows.append([layer.mosaic(index, channels, labels=labels, **(own | style))])
    captions = [f"{name}\n{_shape_in_words(layer)}" for name, layer in maps.items()]
    return sheet(rows, captions=captions, text=text_size(cell, cell))


def _shape_in_words(maps: FeatureMaps) -> str:
    return "×".join(map(str, maps.values.shape[1:]))


def _bins(given: int | Sequence[float]) -> int | np.ndarray:
    """The ``bins`` argument of `FeatureMaps.histogram`, checked."""
    if as_index(given) is not None:
        return whole("bins", given, 1, _MOST_BINS)
    edges = np.asarray(given)
    is_row = edges.ndim == 1 and len(edges) > 1 and edges.dtype.kind in "biuf"
    if not is_row or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise InputError(
            f"bins must be a number of bins, or two or more edges in ascending order, not "
            f"{shown(given)}."
        )
    return edges
