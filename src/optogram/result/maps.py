"""Results about layers: feature maps and kernels."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.files import require_place
from optogram.progress import ShownProgress, reporting
from optogram.result.base import Result
from optogram.result.photo import OfPhotos
from optogram.result.plotting import placed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

    from optogram.render import Scale


@dataclass(frozen=True, eq=False)
class FeatureMaps(OfPhotos, Result):
    """Feature maps of one layer: ``values`` (N, h, w, C).

    Attributes
    ----------
    images : uint8 ndarray of shape (N, H, W, C)
        The input images.
    layer : str
        Name of the layer.
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

    def strongest(self, count: int = 5) -> np.ndarray:
        """(N, count): the channels with the highest means, highest first."""
        means = self.values.mean(axis=(1, 2))
        return np.argsort(-means, axis=1, kind="stable")[:, :count]

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
        return mosaic(maps, **style)

    def overlay(
        self, channel: int | None = None, index: int = 0, photo: Any = None, **style: Any
    ) -> "Image":
        """One map over image ``index``. ``channel=None``: the strongest map.

        ``photo`` and ``style`` as in `Attribution.overlay`.
        """
        from optogram.render import overlay

        below, where = self._below(photo, index)
        return overlay(below, self.matrix(channel, index), where=where, **style)

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
        style = {"scale": self.scale(index), "interpolation": "nearest", **style}
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
    def plot(self, *, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, ax: "Axes") -> "Axes": ...

    def plot(self, *, ax: "Axes | None" = None) -> "Image | Axes":
        """The mosaic of each image, one below the other; ``ax`` as in `Result.plot`."""
        from optogram.render import sheet

        rows = [[self.mosaic(i)] for i in range(len(self.values))]
        return placed(sheet(rows, titles=[self.layer]), ax)

    def _check(self, channels: Sequence[int]) -> None:
        _require(self.layer, "maps", channels, self.values.shape[-1])


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
        maximum.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    InputError
        If there is no layer, or one has no such map.
    """
    from optogram.render import sheet

    if not maps:
        raise InputError("Expected the maps of at least one layer, got none.")
    style = {"columns": len(channels), "cell": cell, **style}
    if "scale" not in style:
        style.setdefault("per_map", "range")
    labels = [str(channel) for channel in channels]
    rows = [[layer.mosaic(index, channels, labels=labels, **style)] for layer in maps.values()]
    captions = [f"{name}\n{_shape_in_words(layer)}" for name, layer in maps.items()]
    return sheet(rows, captions=captions)


def _shape_in_words(maps: FeatureMaps) -> str:
    return "×".join(map(str, maps.values.shape[1:]))


@dataclass(frozen=True, eq=False)
class Kernels(Result):
    """The weights of a convolution: ``values`` (kh, kw, in, out).

    Attributes
    ----------
    layer : str
        Name of the layer.
    """

    shapes: ClassVar = {"values": "h w i o"}

    layer: str

    def mosaic(
        self,
        channel: int | None = None,
        filters: Sequence[int] | None = None,
        **style: Any,
    ) -> "Image":
        """Kernels in one near-square grid.

        Parameters
        ----------
        channel : int, optional
            Input channel to show, in gray, from the smallest weight to the largest. None: RGB
            if the input channels are the colors of the image, else channel 0.
        filters : sequence of int, optional
            Output channels. None: all.
        **style
            See `optogram.render.mosaic`, or `optogram.render.grid` for kernels in color.

        Raises
        ------
        InputError
            If there is no such channel or kernel.
        """
        from optogram.render import grid, mosaic, range_of, to_picture

        *_, inputs, outputs = self.values.shape
        chosen = list(range(outputs) if filters is None else filters)
        _require(self.layer, "kernels", chosen, outputs)
        _require(self.layer, "input channels", [channel or 0], inputs)
        if channel is None and self.is_color:
            step = -1 if self.parameters["input"] == "BGR" else 1
            pictures = np.moveaxis(to_picture(self.values), -1, 0)[chosen][..., ::step]
            return grid(list(pictures), **style)
        shown = self.values[:, :, channel or 0]
        style = {"scale": range_of(shown), "cmap": "gray", **style}
        return mosaic(shown[..., chosen], **style)

    @property
    def is_color(self) -> bool:
        """Whether the input channels are the colors of the image."""
        return self.parameters["input"] in ("RGB", "BGR")

    @overload
    def plot(self, *, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, ax: "Axes") -> "Axes": ...

    def plot(self, *, ax: "Axes | None" = None) -> "Image | Axes":
        """The mosaic; ``ax`` as in `Result.plot`."""
        return placed(self.mosaic(), ax)


def _require(layer: str, what: str, numbers: Sequence[int], count: int) -> None:
    """Raise an InputError if one of ``numbers`` is not below ``count``."""
    missing = [number for number in numbers if not 0 <= number < count]
    if missing:
        raise InputError(
            f"{layer!r} has {count} {what}, numbered 0 to {count - 1}: "
            f"{missing[0]} is out of range."
        )
