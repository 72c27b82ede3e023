"""The arithmetic of one element of a feature map."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, overload

import numpy as np

from optogram.arguments import whole
from optogram.result.base import Result
from optogram.result.photo import OfPhotos
from optogram.result.plotting import placed, require_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_CELL = 224


@dataclass(frozen=True, eq=False, kw_only=True)
class PixelArithmetic(OfPhotos, Result):
    """How one element of a feature map is computed: ``values`` (h, w, C) = window × kernel.

    The sum of ``values`` plus ``bias`` is the first of `steps`.

    Attributes
    ----------
    layer : str
        Name of the convolution.
    channel : int
        The output channel, which is the number of the filter.
    position : (int, int)
        (row, column) in the layer's map.
    window : ndarray of shape (h, w, C)
        The part of the layer's input that the element reads; 0 where it is padding.
    padding : bool ndarray of shape (h, w)
        Which places are outside the input.
    kernel : ndarray of shape (h, w, C)
        The weights of the filter.
    bias : float
        The bias; 0 if the layer has none.
    rows, columns : int ndarrays of shape (h,) and (w,)
        Places of the window in the input; negative or beyond its size where it is padding.
    input_channels : int ndarray of shape (C,)
        Channels of the input that the filter reads: all, those of its group, or, in a depthwise
        convolution, one.
    step_names : tuple of str
        The convolution, and the elementwise steps after it.
    step_values : ndarray of shape (steps,)
        The network's own value after each of them.
    receptive_field : ndarray of shape (4,)
        Window of the network's input that the element can depend on, clipped at the border: top,
        left, bottom, right in pixels.
    images : uint8 ndarray of shape (1, H, W, channels)
        The network's input.
    fit, seen, photo_size, prepared
        How the photo was prepared; see `Attribution`.
    """

    shapes: ClassVar = {
        "values": "h w C",
        "window": "h w C",
        "kernel": "h w C",
        "padding": "h w",
        "rows": "h",
        "columns": "w",
        "input_channels": "C",
        "step_values": "S",
        "receptive_field": "4",
        "images": "N H W c",
        "seen": "N 4",
        "photo_size": "N 2",
    }

    layer: str
    channel: int
    position: tuple[int, ...]
    window: np.ndarray
    padding: np.ndarray
    kernel: np.ndarray
    bias: float
    rows: np.ndarray
    columns: np.ndarray
    input_channels: np.ndarray
    step_names: tuple[str, ...]
    step_values: np.ndarray
    receptive_field: np.ndarray
    images: np.ndarray

    def __repr__(self) -> str:
        """One line: network, layer, channel, position, and the sum."""
        height, width, channels = self.values.shape
        return (
            f"<PixelArithmetic of {self.provenance.get('network', 'an unknown network')} at "
            f"{self.layer}, filter {self.channel} at {self.position}: {height}×{width}×{channels} "
            f"products, {self._sum_in_words()}>"
        )

    @property
    def sum(self) -> float:
        """The sum of all products."""
        return float(self.values.sum(dtype=np.float64))

    @property
    def steps(self) -> tuple[tuple[str, float], ...]:
        """(name, value) of each step: the sum with the bias, then what follows element by element.

        These are the network's own numbers.
        """
        return tuple(zip(self.step_names, map(float, self.step_values), strict=True))

    def strongest(self, count: int = 5) -> np.ndarray:
        """(count,): places in ``input_channels`` of those that add most, by magnitude."""
        sums = np.abs(self.values.sum(axis=(0, 1), dtype=np.float64))
        return np.argsort(-sums, kind="stable")[: whole("count", count, 1)]

    @overload
    def plot(self, top: int = 3, *, cell: int = _CELL, ax: None = None) -> "Image": ...

    @overload
    def plot(self, top: int = 3, *, cell: int = _CELL, ax: "Axes") -> "Axes": ...

    def plot(self, top: int = 3, *, cell: int = _CELL, ax: "Axes | None" = None) -> "Image | Axes":
        """Window, kernel and products on the ``top`` input channels that add most, with numbers.

        Below them the receptive field on the network's input, and the sum. Padding is crossed out.

        Parameters
        ----------
        top : int
            Number of input channels.
        cell : int
            Longer side of a window in the picture, in pixels.
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.
        """
        from optogram.render import (
            boxed,
            compact,
            note,
            numbered,
            resized,
            scale_of,
            sheet,
            text_size,
            visible,
        )

        chosen = self.strongest(top)
        require_tiles(cell, len(chosen) + 1, 3)
        sums = self.values.sum(axis=(0, 1), dtype=np.float64)
        scales = [scale_of(part[..., chosen]) for part in (self.window, self.kernel, self.values)]
        nowhere = np.zeros_like(self.padding)
        side = min(cell, -(-cell // 3) * max(self.padding.shape))  # of 1×1, a third
        rows = [
            [
                numbered(self.window[..., i], scales[0], side, self.padding),
                numbered(self.kernel[..., i], scales[1], side, nowhere),
                numbered(self.values[..., i], scales[2], side, self.padding),
            ]
            for i in chosen
        ]
        text = text_size(cell, cell)
        titles = ["window", "kernel", "window × kernel"]
        captions = [
            f"input channel {self.input_channels[i]}: sum {compact(float(sums[i]))}" for i in chosen
        ]
        above = sheet(rows, titles=titles, captions=captions, text=text)
        lines = [f"{self.layer}, filter {self.channel} at {self.position}"]
        lines += [f"sum of all {self.values.size} products: {compact(self.sum)}"]
        lines += [f"bias: {compact(self.bias)}"] if self.bias else []
        lines += [f"{name}: {compact(value)}" for name, value in self.steps]
        size = self.shown_size(0, cell)
        photo = resized(visible(self.images[0]), size)
        up, across = size[0] / self.images.shape[1], size[1] / self.images.shape[2]
        top_, left, bottom, right = map(float, self.receptive_field)
        seen = boxed(photo, (top_ * up, left * across, bottom * up, right * across))
        below = sheet([[seen, note("\n".join(lines), (seen.height, 2 * cell), text)]])
        return placed(sheet([[above], [below]], gap=0), ax)

    def _sum_in_words(self) -> str:
        words = f"sum {self.sum:.4g}"
        if self.bias:
            words += f" + bias {self.bias:.4g}"
        return " → ".join([words, *(f"{value:.4g}" for _, value in self.steps)])
