"""Concepts of a class."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.arguments import whole
from optogram.errors import InputError
from optogram.result.base import Result
from optogram.result.crops import box_in_photo, open_photo
from optogram.result.plotting import placed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

    from optogram.target import Direction

_SHOWN = 10
"""Concepts in a picture unless asked for otherwise."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Concepts(Result):
    """Concepts of the photos of a class: ``values`` (concepts,), their importance, largest first.

    Importance is the mean over photos of the total Sobol index; those of all concepts need not add
    up to 1.

    Attributes
    ----------
    layer : str
        Name of the layer.
    target : str
        Description of the score.
    importance : ndarray of shape (read, concepts)
        Importance for each photo that was read.
    errors : ndarray of shape (concepts,)
        Standard error of the mean over photos; NaN for a single photo.
    vectors : ndarray of shape (concepts, channels)
        The directions W, each of length 1 and not negative.
    coefficients : ndarray of shape (crops, concepts)
        How much of each concept is in the mean activations of each crop.
    crop_photos : int ndarray of shape (crops,)
        Index into ``photos`` for each crop.
    windows : ndarray of shape (crops, 4)
        The crop: top, left, bottom, right, in pixels of the prepared photo.
    maps : ndarray of shape (read, h, w, concepts)
        How much of each concept is at each position of the layer's maps of each photo.
    score : ndarray of shape (read,)
        Score of each photo.
    rebuilt : ndarray of shape (read,)
        The same, computed from the concepts alone.
    reconstruction_error : float
        ‖A − U W‖ / ‖A‖ for the means of crops: 0 if the concepts leave nothing out.
    map_error : float
        The same for the positions of the photos' own maps, which vary more than the means do.
    images : uint8 ndarray of shape (concepts, H, W, C), or None
        An image that maximizes each direction; None unless a recipe was given.
    photos : tuple of str
        All photos: paths, or "photo 7" for arrays.
    read : int ndarray of shape (read,)
        Index into ``photos`` of those that were read.
    unread : tuple of str
        Those of the ``photos`` that could not be read and were skipped.
    opened : sequence, mapping or None
        The photos argument. Not saved.
    """

    shapes: ClassVar = {
        "values": "K",
        "importance": "N K",
        "errors": "K",
        "vectors": "K C",
        "coefficients": "T K",
        "crop_photos": "T",
        "windows": "T 4",
        "maps": "N h w K",
        "score": "N",
        "rebuilt": "N",
        "read": "N",
    }

    layer: str
    target: str
    importance: np.ndarray
    errors: np.ndarray
    vectors: np.ndarray
    coefficients: np.ndarray
    crop_photos: np.ndarray
    windows: np.ndarray
    maps: np.ndarray
    score: np.ndarray
    rebuilt: np.ndarray
    reconstruction_error: float
    map_error: float
    images: np.ndarray | None = None
    photos: tuple[str, ...]
    read: np.ndarray
    unread: tuple[str, ...] = ()
    opened: Sequence[Any] | Mapping[int, Any] | None = field(
        default=None, repr=False, metadata={"is_saved": False}
    )

    def __repr__(self) -> str:
        """One line: how many concepts of what, and the most important one."""
        return (
            f"<Concepts of {self.target} in {self.provenance.get('network', 'an unknown network')} "
            f"at {self.layer}: {len(self.values)} from {len(self.read)} photos, importance "
            f"{self.values[0]:.2f} of the first, reconstruction error "
            f"{self.reconstruction_error:.0%}>"
        )

    @property
    def directions(self) -> "tuple[Direction, ...]":
        """The concepts as targets, for `maximize`, `saliency` and all others."""
        from optogram.target import Direction

        return tuple(Direction(self.layer, vector) for vector in self.vectors)

    def strongest(self, concept: int, n: int = 8) -> np.ndarray:
        """Indices of the crops with most of a concept, strongest first, at most (n,).

        The strongest crop of each photo first; further crops of the same photos only where there
        are fewer photos. Crops without the concept are left out.
        """
        concept = whole("concept", concept, 0, len(self.values) - 1)
        n = whole("n", n, 1)
        own = self.coefficients[:, concept]
        order = np.argsort(-own, kind="stable")
        order = order[own[order] > 0]
        _, first = np.unique(self.crop_photos[order], return_index=True)
        further = np.delete(np.arange(len(order)), first)
        ranks = np.concatenate([np.sort(first), further])[:n]
        return order[np.sort(ranks.astype(int))]

    def crop(self, number: int) -> "Image":
        """Crop ``number``, cut from its photo.

        Raises
        ------
        InputError
            If the photo is no longer there.
        """
        number = whole("number", number, 0, len(self.windows) - 1)
        photo = open_photo(int(self.crop_photos[number]), self.photos, self.opened)
        return self._cut(photo, number)

    def overlay(self, photo: int, concept: int, **style: Any) -> "Image":
        """The map of a concept over a photo.

        Parameters
        ----------
        photo : int
            Index into ``maps``; of the photo in ``photos``, if all were read.
        concept : int
            Index of the concept, from 0.
        **style
            Arguments of `optogram.render.overlay`, such as ``bar=False`` or ``cmap="viridis"``.

        Raises
        ------
        InputError
            If the photo is no longer there.
        """
        from optogram.render import Scale, overlay

        photo = whole("photo", photo, 0, len(self.maps) - 1)
        concept = whole("concept", concept, 0, len(self.values) - 1)
        below = open_photo(int(self.read[photo]), self.photos, self.opened)
        highest = float(self.maps[..., concept].max())
        given: dict[str, Any] = {"scale": Scale(0.0, highest or 1.0), "unit": "activation"} | style
        return overlay(below, self.maps[photo, ..., concept], where=self._where(below), **given)

    @overload
    def plot(
        self,
        concepts: Sequence[int] | None = None,
        crops: int = 8,
        cell: int = 112,
        *,
        ax: None = None,
    ) -> "Image": ...

    @overload
    def plot(
        self,
        concepts: Sequence[int] | None = None,
        crops: int = 8,
        cell: int = 112,
        *,
        ax: "Axes",
    ) -> "Axes": ...

    def plot(
        self,
        concepts: Sequence[int] | None = None,
        crops: int = 8,
        cell: int = 112,
        *,
        ax: "Axes | None" = None,
    ) -> "Image | Axes":
        """One row for each concept: its importance, its image if there is one, strongest crops.

        Parameters
        ----------
        concepts : sequence of int, optional
            Indices of concepts. None: the ten most important.
        crops : int
            Number of crops in each row.
        cell : int
            Side of a crop in pixels.
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.
        """
        from PIL import ImageOps

        from optogram.render import sheet, visible
        from optogram.render.canvas import PAPER

        cell, crops = whole("cell", cell, 1, 10_000), whole("crops", crops, 1, 1000)
        chosen = self._chosen(concepts)
        strongest = {concept: self.strongest(concept, crops).tolist() for concept in chosen}
        wanted = defaultdict[int, list[int]](list)
        for number in dict.fromkeys(i for own in strongest.values() for i in own):
            wanted[int(self.crop_photos[number])].append(number)
        cut: dict[int, Image] = {}
        for index, numbers in wanted.items():
            photo = open_photo(index, self.photos, self.opened)
            for number in numbers:
                cut[number] = ImageOps.pad(self._cut(photo, number), (cell, cell), color=PAPER)
        rows: list[list[Image | None]] = []
        for concept in chosen:
            row: list[Image | None] = [cut[number] for number in strongest[concept]]
            if self.images is not None:
                made = visible(self.images[concept])
                row.insert(0, ImageOps.pad(made, (cell, cell), color=PAPER))
            rows.append(row)
        captions = [self._caption(concept) for concept in chosen]
        return placed(sheet(rows, captions=captions, gap=6), ax)

    @overload
    def plot_maps(
        self,
        photos: Sequence[int] | None = None,
        concepts: Sequence[int] | None = None,
        cell: int = 160,
        *,
        ax: None = None,
    ) -> "Image": ...

    @overload
    def plot_maps(
        self,
        photos: Sequence[int] | None = None,
        concepts: Sequence[int] | None = None,
        cell: int = 160,
        *,
        ax: "Axes",
    ) -> "Axes": ...

    def plot_maps(
        self,
        photos: Sequence[int] | None = None,
        concepts: Sequence[int] | None = None,
        cell: int = 160,
        *,
        ax: "Axes | None" = None,
    ) -> "Image | Axes":
        """The maps of concepts over photos: one row for each photo, one column for each concept.

        The colors of a column have one scale.

        Parameters
        ----------
        photos : sequence of int, optional
            Indices into ``maps``. None: the first four.
        concepts : sequence of int, optional
            Indices of concepts. None: the five most important.
        cell : int
            Longer side of a photo in pixels.
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.
        """
        from optogram.render import sheet

        cell = whole("cell", cell, 1, 10_000)
        chosen = self._chosen(concepts, _SHOWN // 2)
        shown = list(range(len(self.maps)))[:4] if photos is None else list(photos)
        rows = []
        for photo in shown:
            photo = whole("photos", photo, 0, len(self.maps) - 1)
            below = open_photo(int(self.read[photo]), self.photos, self.opened)
            factor = cell / max(below.size)
            size = max(1, round(below.height * factor)), max(1, round(below.width * factor))
            rows.append([self.overlay(photo, concept, bar=False, size=size) for concept in chosen])
        titles = [f"{concept}: {self.values[concept]:.2f}" for concept in chosen]
        return placed(sheet(rows, titles=titles, gap=6), ax)

    def _chosen(self, concepts: Sequence[int] | None, most: int = _SHOWN) -> list[int]:
        if concepts is None:
            return list(range(len(self.values)))[:most]
        chosen = [whole("concepts", one, 0, len(self.values) - 1) for one in concepts]
        if not chosen:
            raise InputError("concepts must be at least one index.")
        return chosen

    def _caption(self, concept: int) -> str:
        error = self.errors[concept]
        known = f" ± {error:.2f}" if np.isfinite(error) else ""
        return f"concept {concept}: importance {self.values[concept]:.2f}{known}"

    def _where(self, photo: "Image") -> tuple[float, float, float, float]:
        """The part of a photo that the network saw, as fractions of its sides."""
        from optogram.pictures.fit import seen_region

        size, fit = self.parameters["size"], self.parameters["fit"]
        top, left, bottom, right = seen_region((photo.height, photo.width), size, fit)
        return (
            top / photo.height,
            left / photo.width,
            bottom / photo.height,
            right / photo.width,
        )

    def _cut(self, photo: "Image", number: int) -> "Image":
        """The window of a crop in its ``photo``."""
        size, fit = self.parameters["size"], self.parameters["fit"]
        return photo.crop(box_in_photo(photo, self.windows[number], size, fit))
