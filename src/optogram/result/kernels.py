"""The weights of convolutions as a result."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.result.base import Result
from optogram.result.plotting import placed, require_numbers, require_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_WEIGHT = "weight"
"""Unit of scale bars."""


@dataclass(frozen=True, eq=False)
class Kernels(Result):
    """The weights of a convolution: ``values`` (kh, kw, in, out).

    In a depthwise convolution, each input channel has its own ``out`` kernels: kernel m of channel
    c is number c·out + m, as in the layer's output. In a grouped convolution, ``in`` counts the
    channels of one group.

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
            if the input channels are the colors of the image; all channels of a depthwise
            convolution; else channel 0.
        filters : sequence of int, optional
            Numbers of kernels. None: all.
        **style
            See `optogram.render.mosaic`, or `optogram.render.grid` for kernels in color.

        Raises
        ------
        InputError
            If there is no such channel or kernel.
        """
        from optogram.render import grid, mosaic, range_of, to_picture

        count = self.count(channel)
        chosen = list(range(count) if filters is None else filters)
        require_numbers(self.layer, "kernels", chosen, count)
        if channel is None and self.is_color:
            step = -1 if self.parameters["input"] == "BGR" else 1
            pictures = np.moveaxis(to_picture(self.values), -1, 0)[chosen][..., ::step]
            return grid(list(pictures), **style)
        shown = self._of(channel)
        style = {"scale": range_of(shown), "cmap": "gray", "unit": _WEIGHT, **style}
        return mosaic(shown[..., chosen], **style)

    def count(self, channel: int | None = None) -> int:
        """Number of kernels in `mosaic`: of a depthwise convolution all, or those of a channel."""
        return self._of(channel).shape[-1]

    @property
    def is_color(self) -> bool:
        """Whether each kernel reads all colors of the image."""
        is_whole = self.values.shape[2] == 3 and not self.is_depthwise
        return is_whole and self.parameters["input"] in ("RGB", "BGR")

    @property
    def is_depthwise(self) -> bool:
        """Whether each kernel reads one input channel of its own."""
        return bool(self.parameters.get("is_depthwise"))

    def caption(self, channel: int | None = None, shown: int | None = None) -> str:
        """What a `mosaic` of ``shown`` kernels shows; None: of all."""
        height, width, inputs, _ = self.values.shape
        count = self.count(channel)
        number = str(count) if shown in (None, count) else f"{shown} of {count}"
        groups = self.parameters.get("groups", 1)
        if self.is_depthwise and channel is None:
            which = f"one channel each, {inputs} channels"
        elif channel is None and self.is_color:
            which = "in RGB"
        elif self.is_depthwise or inputs > 1:
            which = f"input channel {channel or 0} of {inputs}"
        else:
            which = "one input channel"
        if groups > 1:
            which = f"{which} in each of {groups} groups"
        kind = "depthwise kernels" if self.is_depthwise else "kernels"
        return f"{self.layer}: {number} {kind} {height}×{width}, {which}"

    @overload
    def plot(self, *, cell: int | None = None, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, cell: int | None = None, ax: "Axes") -> "Axes": ...

    def plot(self, *, cell: int | None = None, ax: "Axes | None" = None) -> "Image | Axes":
        """The mosaic, with a title; kernels that are not in RGB have 0 in the middle of the scale.

        ``cell``: longer side of each kernel in pixels. ``ax`` as in `Result.plot`.
        """
        from optogram.render import scale_of, sheet

        side = math.isqrt(self.count() - 1) + 1
        require_tiles(cell, side, side)
        style: dict[str, Any] = {}
        if not self.is_color:
            style = {"scale": scale_of(self._of(None), signed=True), "cmap": None}
        picture = self.mosaic(cell=cell, **style)
        return placed(sheet([[picture]], titles=[self.caption()]), ax)

    def _of(self, channel: int | None) -> np.ndarray:
        """(kh, kw, kernels): the kernels on an input channel; depthwise, None: on all of them."""
        if channel is None and self.is_depthwise:
            return self.values.reshape(*self.values.shape[:2], -1)
        require_numbers(self.layer, "input channels", [channel or 0], self.values.shape[2])
        return self.values[:, :, channel or 0]
