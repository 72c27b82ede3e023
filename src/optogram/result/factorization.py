"""Parts of photos, by deep feature factorization."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.arguments import whole
from optogram.errors import InputError
from optogram.result.base import Result
from optogram.result.photo import OfPhotos
from optogram.result.plotting import placed, require_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

    from optogram.target import Direction


@dataclass(frozen=True, eq=False, kw_only=True)
class Factorization(OfPhotos, Result):
    """Parts of photos: ``values`` (N, h, w, parts), the map of each, the largest part first.

    Attributes
    ----------
    layer : str
        Name of the layer.
    vectors : ndarray of shape (parts, channels)
        The directions W, each of length 1 and not negative.
    reconstruction_error : float
        ‖A − U W‖ / ‖A‖: 0 if the parts leave nothing out.
    contributions : ndarray of shape (N, parts, classes), or None
        How much lower the logit of each class is without the part; None if the network scores no
        classes, or these do not depend on the layer.
    classes : tuple of str
        Names of the classes; empty if there are no contributions.
    images : uint8 ndarray of shape (N, H, W, C)
        The input images.
    fit, seen, photo_size, prepared
        As in `Attribution`.
    """

    shapes: ClassVar = {
        "values": "N h w K",
        "vectors": "K C",
        "images": "N H W D",
        "seen": "N 4",
        "photo_size": "N 2",
    }

    layer: str
    vectors: np.ndarray
    reconstruction_error: float
    contributions: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    images: np.ndarray

    @property
    def directions(self) -> "tuple[Direction, ...]":
        """The parts as targets, for `maximize`, `saliency` and all others."""
        from optogram.target import Direction

        return tuple(Direction(self.layer, vector) for vector in self.vectors)

    def raised(self, index: int = 0, top: int = 3) -> list[list[tuple[str, float]]]:
        """For each part, the classes that it raises most in image ``index``, and by how much.

        Raises
        ------
        InputError
            If there are no contributions.
        """
        if self.contributions is None:
            raise InputError(
                f"The parts have no contributions: the network scores no classes that depend on "
                f"{self.layer!r}."
            )
        top = whole("top", top, 1)
        return [
            [(self.classes[i], float(row[i])) for i in np.argsort(-row, kind="stable")[:top]]
            for row in self.contributions[index]
        ]

    def overlay(self, index: int = 0, part: int | None = None, photo: Any = None) -> "Image":
        """The parts over image ``index``, each in a color of its own.

        Parameters
        ----------
        index : int
            Index of the image.
        part : int, optional
            Index of the only part to draw. None: at each place, the strongest part.
        photo : path, PIL image, array or True, optional
            As in `Attribution.overlay`.

        Raises
        ------
        InputError
            If there is no such part, or the photo cannot be used.
        """
        below, where = self._below(photo, index)
        size = None if photo is not None else self.shown_size(index)
        return self._drawn(below, where, index, part, size)

    @overload
    def plot(self, *, cell: int | None = None, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, cell: int | None = None, ax: "Axes") -> "Axes": ...

    def plot(self, *, cell: int | None = None, ax: "Axes | None" = None) -> "Image | Axes":
        """One row for each image: the image, all parts, and each part alone, in its color.

        Above each part, the class that it raises most in the first image.

        Parameters
        ----------
        cell : int, optional
            Longer side of a picture in pixels.
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.
        """
        from optogram.render import resized, sheet, visible

        count = self.values.shape[-1]
        require_tiles(cell, len(self.values), count + 2)
        rows = []
        for index, image in enumerate(self.images):
            size = self.shown_size(index, cell)
            below = visible(image)
            rows.append(
                [
                    resized(below, size),
                    *(
                        self._drawn(below, None, index, part, size)
                        for part in (None, *range(count))
                    ),
                ]
            )
        titles = ["photo", "parts", *(f"part {part}" for part in range(count))]
        if self.contributions is not None:
            for part, ((name, amount),) in enumerate(self.raised(0, 1)):
                titles[part + 2] += f": {name} {amount:+.1f}"
        return placed(sheet(rows, titles=titles, gap=6), ax)

    def _drawn(
        self,
        below: "Image",
        where: tuple[float, float, float, float] | None,
        index: int,
        part: int | None,
        size: tuple[int, int] | None,
    ) -> "Image":
        from optogram.render import part_colors, parts

        count = self.values.shape[-1]
        chosen = list(range(count)) if part is None else [whole("part", part, 0, count - 1)]
        highest = self.values[..., chosen].max(axis=(0, 1, 2))
        return parts(
            below,
            self.values[index][..., chosen],
            highest=highest,
            colors=part_colors(count)[chosen],
            size=size,
            where=where,
        )
