"""Results of attribution methods."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

import numpy as np

from optogram.errors import InputError
from optogram.result.base import Result
from optogram.result.photo import OfPhotos
from optogram.result.plotting import placed, require_tiles
from optogram.result.titles import method_title, value_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

    from optogram.network.network import Network
    from optogram.target import Target


@dataclass(frozen=True, eq=False)
class Question:
    """The question that an attribution answers, so that `optogram.check` can ask it again.

    Attributes
    ----------
    net : Network
        The explained network.
    x : ndarray of shape (M, H, W, C)
        The distinct images, in network units.
    which : ndarray of shape (N,)
        Index of the image of each explanation.
    targets : tuple of Target
        Target of each explanation.
    method : str
        Name of the method.
    arguments : mapping
        Its other arguments.
    outputs : ndarray of shape (M, outputs), or None
        Scores of all classes of each image, where the highest-scoring one was explained.
    """

    net: "Network"
    x: np.ndarray
    which: np.ndarray
    targets: tuple["Target", ...]
    method: str
    arguments: Mapping[str, Any]
    outputs: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Attribution(OfPhotos, Result):
    """A map of how each part of an image contributes to the score of a target.

    Attributes
    ----------
    images : uint8 ndarray of shape (N, H, W, C)
        The input images.
    targets : tuple of str
        Description of the target of each explanation.
    score : ndarray of shape (N,)
        The explained score.
    layer : str or None
        The explained layer, for methods that explain one.
    question : Question or None
        For `optogram.check`; not saved, so None in a result loaded from a file.
    score_unit : str
        Unit of the score: "logit" or "probability" of a class; "activation" of filters and neurons;
        "output" of a single linear output; "score" for sums of these, or if unknown.
    fit : {"stretch", "crop", "pad"}
        How the photos were brought to the input size.
    seen : ndarray of shape (N, 4)
        Part of each photo that the network saw: top, left, bottom, right as fractions of its
        height and width; 0, 0, 1, 1 (the whole photo) for plain arrays.
    photo_size : ndarray of shape (N, 2)
        Height and width of each photo in pixels; 0 if unknown.
    prepared : sequence of PreparedPhoto, or None
        The photos, for overlays; None if unknown. Not saved.
    rounding_error : ndarray of shape (N,), or None
        With ``precision="fast"``: root mean square error of the scores that the map is made of,
        from a few that were computed again exactly, in the unit of the score; of class activation
        maps made of gradients, error of the values, 0 for maps that are exact. None: exact.
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
    score_unit: str = "score"
    rounding_error: np.ndarray | None = None

    @property
    def title(self) -> str:
        """The method's name as its paper writes it, such as "Grad-CAM++"."""
        return method_title(self.method)

    @property
    def unit(self) -> str:
        """The unit of ``values``, such as "logit" or "logit per unit of input"."""
        return value_unit(self.method, self.score_unit)

    @property
    def heatmap(self) -> np.ndarray:
        """(N, h, w): ``values``, or the largest magnitude over channels if they have channels."""
        return np.abs(self.values).max(axis=-1) if self.values.ndim == 4 else self.values

    def mask(self, t: float) -> np.ndarray:
        """(N, h, w), True where the heatmap reaches ``t`` times its maximum.

        Nothing is True for maps without positive values and constant maps. NaN and infinite values
        are ignored.

        Raises
        ------
        InputError
            If ``t`` is not above 0 and at most 1.
        """
        heat, highest = comparable(self.heatmap, t)
        return heat >= t * highest

    def overlay(self, index: int = 0, photo: Any = None, **style: Any) -> "Image":
        """The heatmap of image ``index`` over that image.

        Parameters
        ----------
        index : int
            Index of the image.
        photo : path, PIL image, array or True, optional
            The photo at full size; the map is drawn over the part that the network saw. True: the
            explained photo, which is not decoded again while the batch from `Network.prepare`
            exists. None: the input image.
        **style
            See `optogram.render.overlay`: ``style``, ``scale``, ``cmap``, ``opacity``, ``size``,
            ``bar``, ``title``.

        Raises
        ------
        InputError
            If the photo cannot be read or has other proportions than the explained photo, or the
            style is invalid.
        """
        return self._laid_over(photo, index, self.map_on_image(index), style)

    def at(self, size: Literal["photo", "network"] | tuple[int, int], index: int = 0) -> np.ndarray:
        """The heatmap of image ``index`` at the pixels of its photo.

        This is what `overlay` colors: interpolated by splines through the values at the centers of
        cells, or averaged where it is shrunk.

        Parameters
        ----------
        size : "photo", "network" or (height, width)
            "photo": every pixel of the photo. "network": every pixel of the network's input. A
            size in pixels: of the photo, resized.
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
            If the size of the photo is not known, or a size is not positive.
        """
        return self._at(self.map_on_image(index), size, index)

    def through_mask(
        self, t: float, index: int = 0, photo: Any = None, light: float = 0.12
    ) -> "Image":
        """Image ``index``, dark outside `mask` and outside the part that the network saw.

        If the mask is empty, the picture says so.

        Parameters
        ----------
        t : float
            Threshold as a fraction of the maximum; see `mask`.
        index : int
            Index of the image.
        photo : path, PIL image, array or True, optional
            As in `overlay`.
        light : float
            Brightness of the dark part, in [0, 1].
        """
        return self._through(self.mask(t)[index], t, index, photo, light)

    def picture(self, index: int = 0, cell: int | None = None) -> "Image":
        """Image ``index`` without text: coarse maps over the image, fine maps alone.

        It has the proportions of the photo where they are known. ``cell``: its longer side in
        pixels; None: a legible size.
        """
        size = self.shown_size(index, cell)
        if self.values.ndim == 4:
            return self._alone(index, size, bar=False)
        return self._over_image(index, size, bar=False)

    def scale(self, index: int = 0) -> Any:
        """Values at the two ends of the scale bar of image ``index``.

        A few pixels of a gradient are far larger than all others, and so are the rims that XRAI
        takes last. For pixel attributions and for XRAI the bar therefore ends at the 99th
        percentile of the magnitudes; larger values have the last color.
        """
        from optogram.render import scale_of

        heat = self.heatmap[index]
        if self.method == "xrai" and np.isfinite(heat).any():
            end = float(np.nanpercentile(np.abs(heat), 99))
            return scale_of(heat, low=-end if np.nanmin(heat) < 0 else None, high=end)
        if self.values.ndim != 4 or not np.isfinite(heat).any():
            return scale_of(heat)
        return scale_of(heat, signed=False, high=float(np.nanpercentile(heat, 99)))

    def map_on_image(self, index: int = 0) -> np.ndarray:
        """The heatmap of image ``index`` as a grid that covers the whole image evenly."""
        return self.heatmap[index]

    def _alone(self, index: int, size: tuple[int, int], bar: bool = True) -> "Image":
        """The map of image ``index`` at ``size``."""
        from optogram.render import heatmap

        heat, scale = self.map_on_image(index), self.scale(index)
        return heatmap(heat, size=size, scale=scale, bar=bar, unit=self.unit)

    def _over_image(self, index: int, size: tuple[int, int], bar: bool = True) -> "Image":
        """The map of image ``index`` over the network's input, at ``size``."""
        from optogram.render import overlay, visible

        heat, scale = self.map_on_image(index), self.scale(index)
        below = visible(self.images[index])
        return overlay(below, heat, size=size, scale=scale, bar=bar, unit=self.unit)

    def _laid_over(
        self, photo: Any, index: int, heat: np.ndarray, style: dict[str, Any]
    ) -> "Image":
        from optogram.render import overlay

        # Other styles have their own ends; those of pixel attributions are clipped in all styles.
        if str(style.get("style", "even")) == "even" or self.values.ndim == 4:
            style.setdefault("scale", self.scale(index))
        style.setdefault("unit", self.unit)
        below, where = self._below(photo, index)
        return overlay(below, heat, where=where, **style)

    def _through(self, mask: np.ndarray, t: float, index: int, photo: Any, light: float) -> "Image":
        """Image ``index``, or its photo, through a ``mask`` over the network's input."""
        from optogram.render import through_mask

        below, where = self._below(photo, index)
        title = None if mask.any() else f"nothing reaches {t:g} of the maximum"
        return through_mask(below, mask, light=light, where=where, title=title)

    @overload
    def plot(self, *, cell: int | None = None, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, cell: int | None = None, ax: "Axes") -> "Axes": ...

    def plot(self, *, cell: int | None = None, ax: "Axes | None" = None) -> "Image | Axes":
        """Image, map, and map over image, side by side; one row per image.

        A stretched photo is shown in its own proportions, with the map stretched alike.

        Parameters
        ----------
        cell : int, optional
            Longer side of each picture, without its scale bar, in pixels; 400 is a good size for
            slides. Default: a legible size.
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.
        """
        from optogram.render import resized, sheet, text_size, visible

        require_tiles(cell, len(self.images), 3)
        sizes = [self.shown_size(i, cell) for i in range(len(self.images))]
        rows = [
            [
                resized(visible(self.images[i]), size),
                self._alone(i, size),
                self._over_image(i, size),
            ]
            for i, size in enumerate(sizes)
        ]
        titles = ["what the network saw", self.title, "both"]
        text = max(text_size(*size) for size in sizes)
        return placed(sheet(rows, titles=titles, captions=self.targets, text=text), ax)


def comparable(maps: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Maps (N, h, w), NaN where nothing can be kept, and their maxima (N, 1, 1)."""
    if not (isinstance(t, Real) and 0 < t <= 1):
        raise InputError(f"The threshold of a mask must be above 0 and at most 1, not {t!r}.")
    maps = np.where(np.isfinite(maps), maps, np.nan)
    lowest = np.where(np.isnan(maps), np.inf, maps).min(axis=(1, 2), keepdims=True)
    highest = np.where(np.isnan(maps), -np.inf, maps).max(axis=(1, 2), keepdims=True)
    tells = (highest > 0) & (highest > lowest)
    return np.where(tells, maps, np.nan), np.where(tells, highest, 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class GuidedAttribution(Attribution):
    """A guided backpropagation map.

    Attributes
    ----------
    treated : tuple of str
        Names of the rectifiers that passed only positive gradients.
    left_alone : tuple of str
        Names of other activations, through which the plain gradient passed.
    """

    treated: tuple[str, ...]
    left_alone: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class IntegratedGradients(Attribution):
    """Integrated gradients, with the completeness gap.

    Attributes
    ----------
    baseline_score : ndarray of shape (N,)
        The score of the baseline.
    completeness_gap : ndarray of shape (N,)
        The sum of ``values`` minus ``score − baseline_score``; it shrinks with more points.
    """

    shapes: ClassVar = Attribution.shapes | {"baseline_score": "N", "completeness_gap": "N"}

    baseline_score: np.ndarray
    completeness_gap: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class NoisyGradients(Attribution):
    """Moments of the gradient over noisy copies of the image; ``values`` is one of three.

    Attributes
    ----------
    mean : ndarray of shape (N, H, W, C)
        Mean of the gradients over the copies, as in SmoothGrad.
    variance : ndarray of shape (N, H, W, C)
        Variance of the copies, Σ (g − mean)² / samples, as in VarGrad.
    """

    METHODS: ClassVar = ("smoothgrad", "vargrad", "squaregrad")
    """The three methods; each has a function of its name here."""

    shapes: ClassVar = Attribution.shapes | {"mean": "N H W C", "variance": "N H W C"}

    mean: np.ndarray
    variance: np.ndarray

    @staticmethod
    def shown(method: str, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """``values`` of "smoothgrad", "vargrad" or "squaregrad"."""
        return {
            "smoothgrad": lambda: mean,
            "vargrad": lambda: variance,
            "squaregrad": lambda: variance + mean**2,
        }[method]()

    def smoothgrad(self) -> "NoisyGradients":
        """What `optogram.smoothgrad` says of the same copies: the mean of their gradients."""
        return self._as("smoothgrad")

    def vargrad(self) -> "NoisyGradients":
        """What `optogram.vargrad` says of the same copies: the variance of their gradients.

        Raises
        ------
        InputError
            If there is one copy only, or no noise.
        """
        if self.parameters["samples"] < 2 or not self.parameters["noise"]:
            raise InputError(
                "A variance needs at least 2 copies and noise: give samples=2 or more, and noise "
                "greater than 0."
            )
        return self._as("vargrad")

    def squaregrad(self) -> "NoisyGradients":
        """What `optogram.squaregrad` says of the same copies: the mean square of the gradients."""
        return self._as("squaregrad")

    def _as(self, method: str) -> "NoisyGradients":
        question = self.question and replace(self.question, method=method)
        values = self.shown(method, self.mean, self.variance)
        return replace(self, method=method, values=values, question=question)
