"""Principal components of tokens."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.result.base import Result
from optogram.result.photo import OfPhotos
from optogram.result.plotting import placed, require_tiles
from optogram.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image


@dataclass(frozen=True, eq=False, kw_only=True)
class TokenPCA(OfPhotos, Result):
    """Tokens of photos: ``values`` (N, h, w, 3), their first three principal components.

    Attributes
    ----------
    layer : str
        Name of the layer.
    vectors : ndarray of shape (3, channels)
        The components, each of length 1.
    mean : ndarray of shape (channels,)
        Mean of the tokens.
    shares : ndarray of shape (3,)
        Share of the variance of the tokens that each component has.
    norms : ndarray of shape (N, h, w)
        Length of each token.
    is_high : bool ndarray of shape (N, h, w)
        Tokens of high norm, which the components leave out; see `token_pca`.
    highest_norm : float
        The norm above which a token is flagged.
    images : uint8 ndarray of shape (N, H, W, C)
        The input images.
    fit, seen, photo_size, prepared
        As in `Attribution`.
    """

    shapes: ClassVar = {
        "values": "N h w 3",
        "vectors": "3 K",
        "mean": "K",
        "shares": "3",
        "norms": "N h w",
        "is_high": "N h w",
        "images": "N H W D",
        "seen": "N 4",
        "photo_size": "N 2",
    }

    layer: str
    vectors: np.ndarray
    mean: np.ndarray
    shares: np.ndarray
    norms: np.ndarray
    is_high: np.ndarray
    highest_norm: float
    images: np.ndarray

    @property
    def colors(self) -> np.ndarray:
        """(N, h, w, 3), uint8: the components as red, green and blue; flagged tokens are white.

        Each component is scaled from its 1st to its 99th percentile over the tokens of all images
        that are not flagged.
        """
        from optogram.render import component_colors

        return component_colors(self.values, self.is_high)

    def picture(self, index: int = 0, cell: int | None = None) -> "Image":
        """The tokens of image ``index`` in their `colors`, a block each.

        ``cell``: its longer side in pixels; None: a legible size.
        """
        from optogram.render import blocks

        return blocks(self.colors[index], self.shown_size(index, cell))

    @overload
    def plot(self, *, cell: int | None = None, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, cell: int | None = None, ax: "Axes") -> "Axes": ...

    def plot(self, *, cell: int | None = None, ax: "Axes | None" = None) -> "Image | Axes":
        """A row for each image: the image, its tokens in colors, and their norms.

        Parameters
        ----------
        cell : int, optional
            Longer side of a picture in pixels.
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.
        """
        from optogram.render import heatmap, resized, scale_of, sheet, visible

        require_tiles(cell, len(self.images), 3)
        scale = scale_of(self.norms)
        rows: list[list[Any]] = []
        for index, image in enumerate(self.images):
            size = self.shown_size(index, cell)
            norms = heatmap(
                self.norms[index], size=size, scale=scale, unit="norm", interpolation="nearest"
            )
            rows.append([resized(visible(image), size), self.picture(index, cell), norms])
        shares = ", ".join(f"{share:.0%}" for share in self.shares)
        high = counted(int(self.is_high.sum()), "token")
        titles = ["photo", f"components ({shares}), {self.layer}", f"norm, {high} flagged"]
        return placed(sheet(rows, titles=titles), ax)
