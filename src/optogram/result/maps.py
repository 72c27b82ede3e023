"""Results about layers: what they answer, and the weights they answer with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optogram.errors import InputError
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

        return mosaic(_chosen(self.values[index], channels, self.layer), **style)

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

    def mosaic(
        self,
        channel: int | None = None,
        filters: Sequence[int] | None = None,
        **style: Any,
    ) -> "Image":
        """The kernels in one near-square grid, on the scale of all of them.

        Parameters
        ----------
        channel : int, optional
            The input channel shown, grey, on the scale from the smallest weight to the largest.
            None: kernels on the colours of the image are shown in colour, others by their
            first channel.
        filters : sequence of int, optional
            Which kernels, in which order; None: all of them.
        **style
            See `optogram.render.mosaic`, or `optogram.render.grid` for kernels in colour.
        """
        from optogram.render import grid, mosaic, scale_of, to_picture

        if channel is None and self.parameters["input"] in ("RGB", "BGR"):
            step = -1 if self.parameters["input"] == "BGR" else 1
            pictures = _chosen(to_picture(self.values)[:, :, ::step], filters, self.layer)
            return grid(list(np.moveaxis(pictures, -1, 0)), **style)
        shown = self.values[:, :, channel or 0]
        style = {"scale": scale_of(shown, signed=False), "cmap": "gray", **style}
        return mosaic(_chosen(shown, filters, self.layer), **style)

    def plot(self) -> "Image":
        """The mosaic."""
        return self.mosaic()


def _chosen(arrays: np.ndarray, numbers: Sequence[int] | None, layer: str) -> np.ndarray:
    """Those of ``arrays``, counted along their last axis, that ``numbers`` name; None: all."""
    if numbers is None:
        return arrays
    count = arrays.shape[-1]
    beyond = [number for number in numbers if not -count <= number < count]
    if beyond:
        raise InputError(
            f"{layer!r} has {count} filters, numbered 0 to {count - 1}: {beyond[0]} is out of "
            "range."
        )
    return arrays[..., list(numbers)]
