"""Results about images: where in them a score comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optogram.arguments import checked, whole
from optogram.errors import InputError
from optogram.result.base import Result
from optogram.result.photo import OfPhotos

if TYPE_CHECKING:
    from PIL.Image import Image

    from optogram.network.network import Network
    from optogram.target import Target


@dataclass(frozen=True, eq=False)
class Question:
    """What an attribution answers, kept beside it so that it can be asked again.

    Attributes
    ----------
    net : Network
        What was explained.
    x : ndarray of shape (M, H, W, C)
        The distinct images, in network units.
    which : ndarray of shape (N,)
        For each explanation, its image.
    targets : tuple of Target
        For each explanation, its target.
    method : str
        The name of the method that made the attribution.
    arguments : mapping
        Its other arguments.
    """

    net: "Network"
    x: np.ndarray
    which: np.ndarray
    targets: tuple["Target", ...]
    method: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Attribution(OfPhotos, Result):
    """Where in each image the score of a target comes from.

    Attributes
    ----------
    images : uint8 ndarray of shape (N, H, W, C)
        What the network was shown, as pictures.
    targets : tuple of str
        What was explained, one an image.
    score : ndarray of shape (N,)
        The score explained.
    layer : str or None
        The layer looked at, for methods that look at one.
    question : Question or None
        What `optogram.check` asks again; it is not saved, and None in a result loaded from a file.
    fit : {"stretch", "crop", "pad"}
        How the photos became as large as the network takes.
    seen : ndarray of shape (N, 4)
        What the network saw of each photo: top, left, bottom, right as shares of its height and
        width; all of it, 0, 0, 1, 1, for images given as arrays that do not tell.
    photo_size : ndarray of shape (N, 2)
        Height and width of each photo in pixels; 0 where not known.
    """

    obtained: ClassVar = "saliency, gradcam or another attribution method makes one"
    shapes: ClassVar = {
        "values": "N h w | N H W C",
        "images": "N H W C",
        "targets": "N",
        "score": "N",
        "seen": "N 4",
        "photo_size": "N 2",
    }

    images: np.ndarray
    targets: tuple[str, ...]
    score: np.ndarray
    layer: str | None = None
    question: Question | None = field(default=None, repr=False, metadata={"is_saved": False})

    @property
    def heatmap(self) -> np.ndarray:
        """(N, h, w): ``values``, or the largest magnitude over channels where they have any."""
        return np.abs(self.values).max(axis=-1) if self.values.ndim == 4 else self.values

    def mask(self, t: float) -> np.ndarray:
        """(N, h, w), True where the heatmap reaches ``t`` times its image's maximum: kept.

        Nothing is kept of maps that are nowhere positive or the same everywhere; values that are
        not finite are passed over.

        Raises
        ------
        InputError
            If ``t`` is not a share above 0, up to 1.
        """
        heat, highest = _comparable(self.heatmap, t)
        return heat >= t * highest

    def overlay(self, index: int = 0, photo: Any = None, **style: Any) -> "Image":
        """The heatmap of image ``index`` over that image.

        Parameters
        ----------
        index : int
            Which image.
        photo : path, PIL image or array, optional
            The photo at its full size, on which the map lies where the network looked; None: the
            photo as the network saw it.
        **style
            See `optogram.render.overlay`: ``style``, ``scale``, ``cmap``, ``opacity``, ``size``,
            ``bar``, ``title``.

        Raises
        ------
        InputError
            If the photo cannot be read or has other proportions than the one explained, or the
            style cannot be drawn.
        """
        return self._laid_over(photo, index, self.map_on_image(index), style)

    def through_mask(
        self, t: float, index: int = 0, photo: Any = None, light: float = 0.12
    ) -> "Image":
        """Image ``index``, dark where `mask` leaves it out, and beyond what the network saw.

        Where nothing is kept, the picture says so.

        Parameters
        ----------
        t : float
            The share of the maximum that is kept; see `mask`.
        index : int
            Which image.
        photo : path, PIL image or array, optional
            As in `overlay`.
        light : float
            In [0, 1]: how much light is left elsewhere.
        """
        return self._through(self.mask(t)[index], t, index, photo, light)

    def picture(self, index: int = 0) -> "Image":
        """Image ``index`` as it is seen best, no words: coarse maps over it, fine ones alone."""
        from optogram.render import heatmap

        if self.values.ndim == 4:
            return heatmap(self.heatmap[index], scale=self.scale(index), bar=False)
        return self.overlay(index, bar=False)

    def scale(self, index: int = 0) -> Any:
        """What the two ends of the scale bar of image ``index`` mean.

        A few pixels of a gradient are far larger than all others: of such maps the bar ends at
        the 99th percentile, and what lies beyond has the last color.
        """
        from optogram.render import scale_of

        heat = self.heatmap[index]
        if self.values.ndim != 4 or not np.isfinite(heat).any():
            return scale_of(heat)
        return scale_of(heat, signed=False, high=float(np.nanpercentile(heat, 99)))

    def map_on_image(self, index: int = 0) -> np.ndarray:
        """The heatmap of image ``index`` as a grid that covers the whole image evenly."""
        return self.heatmap[index]

    def _laid_over(
        self, photo: Any, index: int, heat: np.ndarray, style: dict[str, Any]
    ) -> "Image":
        from optogram.render import overlay

        # The other styles have ends of their own; those of fine maps are cut in all of them.
        if str(style.get("style", "even")) == "even" or self.values.ndim == 4:
            style.setdefault("scale", self.scale(index))
        below, where = self._below(photo, index)
        return overlay(below, heat, where=where, **style)

    def _through(self, mask: np.ndarray, t: float, index: int, photo: Any, light: float) -> "Image":
        """Image ``index``, or its photo, through a ``mask`` that covers what the network saw."""
        from optogram.render import through_mask

        below, where = self._below(photo, index)
        title = None if mask.any() else f"nothing reaches {t:g} of the maximum"
        return through_mask(below, mask, light=light, where=where, title=title)

    def plot(self) -> "Image":
        """Each image, its map and both together, side by side, one image a row."""
        from optogram.render import heatmap, legible, sheet, visible

        size = legible(self.images.shape[1:3])
        rows = [
            [
                visible(self.images[i]),
                heatmap(self.map_on_image(i), size=size, scale=self.scale(i)),
                self.overlay(i),
            ]
            for i in range(len(self.images))
        ]
        return sheet(
            rows, titles=["what the network saw", self.method, "both"], captions=self.targets
        )


def _comparable(maps: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Maps (N, h, w), NaN where none of them can be kept, and the maximum of each, (N, 1, 1)."""
    if not (isinstance(t, Real) and 0 < t <= 1):
        raise InputError(f"A mask keeps what reaches a share above 0, up to 1, not {t!r}.")
    maps = np.where(np.isfinite(maps), maps, np.nan)
    lowest = np.where(np.isnan(maps), np.inf, maps).min(axis=(1, 2), keepdims=True)
    highest = np.where(np.isnan(maps), -np.inf, maps).max(axis=(1, 2), keepdims=True)
    tells = (highest > 0) & (highest > lowest)
    return np.where(tells, maps, np.nan), np.where(tells, highest, 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Occlusion(Attribution):
    """An occlusion map: how far the score falls when a patch covers each place.

    Attributes
    ----------
    scores : ndarray of shape (N, rows, cols)
        The score with the patch there; ``values`` is ``score`` minus these.
    exact : bool ndarray of shape (rows, cols)
        Which of them were computed; the others are estimated between those
        (`progressive_occlusion`).
    """

    shapes: ClassVar = Attribution.shapes | {"values": "N h w", "scores": "N h w", "exact": "h w"}

    scores: np.ndarray
    exact: np.ndarray

    def mask(self, t: float, of: str = "values") -> np.ndarray:
        """(N, rows, cols), True where a place matters.

        Parameters
        ----------
        t : float
            A share of the maximum of each image.
        of : {"values", "scores"}
            "values": where the fall reaches ``t`` times its maximum. "scores": where the score
            with the patch stays below ``t`` times the largest such score (tutorial row B5); nothing
            where no score is positive.

        Raises
        ------
        InputError
            If ``t`` is not a share above 0, up to 1, or ``of`` is neither.
        """
        if self._shown(of) is self.values:
            return super().mask(t)
        scores, highest = _comparable(self.scores, t)
        return scores < t * highest

    def overlay(
        self, index: int = 0, photo: Any = None, of: str = "values", **style: Any
    ) -> "Image":
        """The map of image ``index`` over that image; see `Attribution.overlay`.

        ``of="scores"`` shows the scores with the patch there in place of what they lose: low where
        a place matters (tutorial row B5). Their scale begins at zero.
        """
        from optogram.render import scale_of

        if of == "values":
            return super().overlay(index, photo, **style)
        scores = self._shown(of)[index]
        style.setdefault("scale", scale_of(scores))
        return self._laid_over(photo, index, self._on_image(scores), style)

    def heat(self, index: int = 0, of: str = "values", **style: Any) -> "Image":
        """The map of image ``index`` alone, each value in the middle of its patch.

        Parameters
        ----------
        index : int
            Which image.
        of : {"values", "scores"}
            What scores lose, or the scores with the patch there (tutorial row B5).
        **style
            See `optogram.render.heatmap`: ``size``, ``scale``, ``cmap``, ``bar``, ``title``.
        """
        from optogram.render import heatmap, scale_of

        shown = self._shown(of)[index]
        style = {"scale": scale_of(shown), "size": self.images.shape[1:3], **style}
        return heatmap(self._on_image(shown), **style)

    def through_mask(
        self,
        t: float,
        index: int = 0,
        photo: Any = None,
        light: float = 0.12,
        of: str = "values",
    ) -> "Image":
        """Image ``index``, dark where `mask` (``t``, ``of``) leaves it out.

        Each pixel belongs to the patch whose center is nearest. See `Attribution.through_mask`.
        """
        mask = self.mask(t, of)[index]
        (rows, columns) = (
            np.abs(np.arange(side)[:, None] - centers).argmin(axis=1)
            for side, centers in zip(self.images.shape[1:3], self._centers(), strict=True)
        )
        wide = mask[np.ix_(rows, columns)]
        return self._through(wide, t, index, photo, light)

    def map_on_image(self, index: int = 0) -> np.ndarray:
        """The map with each value at the center of its patch, in pixels of the image."""
        return self._on_image(self.values[index])

    def _shown(self, of: str) -> np.ndarray:
        if of not in ("values", "scores"):
            raise InputError(f'of must be "values" or "scores", not {of!r}.')
        return self.scores if of == "scores" else self.values

    def _centers(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows and the columns of the image where the middles of patches lie."""
        counts, patch = self.values.shape[1:], self.parameters["patch"]
        rows, columns = (
            np.arange(count) * step + (side - 1) / 2
            for count, side, step in zip(counts, patch, self.parameters["stride"], strict=True)
        )
        return rows, columns

    def _on_image(self, cells: np.ndarray) -> np.ndarray:
        """(H, W): ``cells`` (rows, cols) with each value at the center of its patch."""
        height, width = self.images.shape[1:3]
        centers_y, centers_x = self._centers()
        wide = np.stack([np.interp(np.arange(width), centers_x, row) for row in cells])
        return np.stack(
            [np.interp(np.arange(height), centers_y, column) for column in wide.T], axis=1
        ).astype(np.float32)


@dataclass(frozen=True, eq=False, kw_only=True)
class GuidedAttribution(Attribution):
    """A map made by guided backpropagation.

    Attributes
    ----------
    treated : tuple of str
        The rectifiers that passed only positive gradient, by name.
    left_alone : tuple of str
        Other activations on the way, through which the gradient came back as it was.
    """

    treated: tuple[str, ...]
    left_alone: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class IntegratedGradients(Attribution):
    """Integrated gradients, and how well they add up.

    Attributes
    ----------
    baseline_score : ndarray of shape (N,)
        The score of the image where the line begins.
    completeness_gap : ndarray of shape (N,)
        The sum of ``values`` minus what it should be, ``score − baseline_score``; it shrinks as
        steps are added.
    """

    shapes: ClassVar = Attribution.shapes | {"baseline_score": "N", "completeness_gap": "N"}

    baseline_score: np.ndarray
    completeness_gap: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class GradCAM(Attribution):
    """A Grad-CAM map, and what it was made of.

    Attributes
    ----------
    maps : ndarray of shape (N, h, w, K), or (1, h, w, K) where all share one image
        What the layer answers.
    gradients : ndarray of shape (N, h, w, K)
        The gradient of the score at each element of the maps.
    """

    shapes: ClassVar = Attribution.shapes | {
        "maps": "N a b K | 1 a b K",
        "gradients": "N a b K",
    }

    maps: np.ndarray
    gradients: np.ndarray

    @property
    def steps(self) -> "GradCAMSteps":
        """The four stages on the way to the map."""
        return GradCAMSteps(self.maps, self.gradients, self.images, self.targets)


@dataclass(frozen=True)
class GradCAMSteps:
    """How a Grad-CAM map comes about, in four stages.

    Attributes
    ----------
    maps : ndarray of shape (N, h, w, K), or (1, h, w, K) where all share one image
        Stage 1, Aₖ: what the layer answers.
    gradients : ndarray of shape (N, h, w, K)
        Stage 2, ∂S/∂Aₖ: how the score changes with each element.
    images : uint8 ndarray of shape (N, H, W, C)
        What the network was shown.
    targets : tuple of str
        What was explained.
    """

    maps: np.ndarray
    gradients: np.ndarray
    images: np.ndarray
    targets: tuple[str, ...]

    @property
    def weights(self) -> np.ndarray:
        """(N, K), stage 3, αₖ: the mean of each map's gradients."""
        return self.gradients.mean(axis=(1, 2))

    @property
    def sum(self) -> np.ndarray:
        """(N, h, w), stage 4: Σₖ αₖ Aₖ, before negative places are set to zero."""
        maps = np.broadcast_to(self.maps, self.gradients.shape)
        return np.einsum("nk,nhwk->nhw", self.weights, maps)

    @checked
    def plot(self, index: int = 0, top: int = 5) -> "Image":
        """The stages of image ``index`` for the ``top`` maps that add most, and the sum of all."""
        from optogram.render import compact, heatmap, legible, scale_of, sheet, visible

        index = whole("index", index, -len(self.images), len(self.images) - 1)
        top = whole("top", top, 1)
        maps = self.maps[index if len(self.maps) > 1 else 0]
        gradients, weights = self.gradients[index], self.weights[index]
        parts = maps * weights
        strongest = np.argsort(-np.abs(parts).sum(axis=(0, 1)), kind="stable")[:top]
        size = legible(self.images.shape[1:3])

        def drawn(stage: np.ndarray) -> list["Image"]:
            scale = scale_of(stage[..., strongest])
            return [heatmap(stage[..., k], size=size, scale=scale) for k in strongest]

        tiles = np.broadcast_to(weights, maps.shape)
        columns = [drawn(stage) for stage in (maps, gradients, tiles, parts)]
        rows: list[list[Image | None]] = [list(row) for row in zip(*columns, strict=True)]
        rows.append([visible(self.images[index]), None, None, heatmap(self.sum[index], size=size)])
        captions = [f"map {k}, weight {compact(float(weights[k]))}" for k in strongest]
        captions.append(f"{self.targets[index]}: the sum over all {len(weights)} maps")
        titles = ["1 map", "2 gradient", "3 weight", "4 weight × map, summed"]
        return sheet(rows, titles=titles, captions=captions)
