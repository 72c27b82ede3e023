"""Results about layers: what they answer, and the weights they answer with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optogram.result.base import Result

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, eq=False)
class FeatureMaps(Result):
    """What one layer answers: ``values`` (N, h, w, C).

    Attributes
    ----------
    images : uint8 ndarray of shape (N, H, W, C)
        What the network was shown, as pictures.
    layer : str
        The layer's name.
    """

    shapes: ClassVar = {"values": "N h w C", "images": "N H W c"}

    images: np.ndarray
    layer: str

    def strongest(self, count: int = 5) -> np.ndarray:
        """(N, count): the channels with the highest means, strongest first."""
        means = self.values.mean(axis=(1, 2))
        return np.argsort(-means, axis=1, kind="stable")[:, :count]

    def mosaic(
        self, index: int = 0, channels: Sequence[int] | None = None, **style: Any
    ) -> "Image":
        """The maps of image ``index`` in one near-square grid on a common scale.

        Parameters
        ----------
        index : int
            Which image.
        channels : sequence of int, optional
            Which maps, in which order; None: all of them.
        **style
            See `optogram.render.mosaic`.
        """
        from optogram.render import mosaic

        maps = self.values[index]
        return mosaic(maps if channels is None else maps[..., list(channels)], **style)

    def overlay(
        self, channel: int | None = None, index: int = 0, photo: Any = None, **style: Any
    ) -> "Image":
        """One map over image ``index``; None: its strongest. ``photo`` as in `Attribution`."""
        from optogram.render import overlay, visible

        if channel is None:
            channel = int(self.strongest(1)[index, 0])
        below = visible(self.images[index]) if photo is None else photo
        return overlay(below, self.values[index, ..., channel], **style)

    def plot(self) -> "Image":
        """The mosaic of each image, one below the other."""
        from optogram.render import sheet

        return sheet([[self.mosaic(i)] for i in range(len(self.values))], titles=[self.layer])


@dataclass(frozen=True, eq=False)
class Kernels(Result):
    """The weights of a convolution: ``values`` (kh, kw, in, out).

    Attributes
    ----------
    layer : str
        The layer's name.
    """

    shapes: ClassVar = {"values": "h w i o"}

    layer: str

    def mosaic(self, channel: int | None = None, **style: Any) -> "Image":
        """All kernels in one near-square grid.

        Parameters
        ----------
        channel : int, optional
            The input channel shown, grey, on the scale from the smallest weight to the largest.
            None: kernels on the colours of the image are shown in colour, others by their
            first channel.
        **style
            See `optogram.render.mosaic`, or `optogram.render.grid` for kernels in colour.
        """
        from optogram.render import grid, mosaic, scale_of, to_picture

        if channel is None and self.parameters["input"] in ("RGB", "BGR"):
            step = -1 if self.parameters["input"] == "BGR" else 1
            pictures = np.moveaxis(to_picture(self.values), -1, 0)[..., ::step]
            return grid(list(pictures), **style)
        shown = self.values[:, :, channel or 0]
        style = {"scale": scale_of(shown, signed=False), "cmap": "gray", **style}
        return mosaic(shown, **style)

    def plot(self) -> "Image":
        """The mosaic."""
        return self.mosaic()
