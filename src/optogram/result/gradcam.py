"""Results of Grad-CAM, with the stages of the maps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, overload

import numpy as np

from optogram.arguments import checked, whole
from optogram.result.attribution import Attribution
from optogram.result.plotting import placed, require_tiles
from optogram.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image


@dataclass(frozen=True, eq=False, kw_only=True)
class GradCAM(Attribution):
    """A Grad-CAM map with its intermediate stages.

    Attributes
    ----------
    maps : ndarray of shape (N, h, w, K), or (1, h, w, K) where all share one image
        Feature maps of the layer.
    gradients : ndarray of shape (N, h, w, K)
        Gradient of the score with respect to the maps.
    """

    shapes: ClassVar = Attribution.shapes | {
        "maps": "N a b K | 1 a b K",
        "gradients": "N a b K",
    }

    maps: np.ndarray
    gradients: np.ndarray

    @property
    def steps(self) -> "GradCAMSteps":
        """The four stages of the map."""
        return GradCAMSteps(self)


@dataclass(frozen=True)
class GradCAMSteps:
    """The four stages of Grad-CAM.

    Attributes
    ----------
    result : GradCAM
        The map that they lead to.
    """

    result: GradCAM

    @property
    def maps(self) -> np.ndarray:
        """(N, h, w, K), or (1, h, w, K) where all share one image, stage 1, Aₖ: feature maps."""
        return self.result.maps

    @property
    def gradients(self) -> np.ndarray:
        """(N, h, w, K), stage 2, ∂S/∂Aₖ: gradient of the score with respect to the maps."""
        return self.result.gradients

    @property
    def images(self) -> np.ndarray:
        """(N, H, W, C), uint8: the input images."""
        return self.result.images

    @property
    def targets(self) -> tuple[str, ...]:
        """Descriptions of the targets."""
        return self.result.targets

    @property
    def weights(self) -> np.ndarray:
        """(N, K), stage 3, αₖ: spatial mean of the gradients."""
        return self.gradients.mean(axis=(1, 2))

    @property
    def sum(self) -> np.ndarray:
        """(N, h, w), stage 4: Σₖ αₖ Aₖ, before the ReLU."""
        maps = np.broadcast_to(self.maps, self.gradients.shape)
        return np.einsum("nk,nhwk->nhw", self.weights, maps)

    @overload
    def plot(
        self, index: int = 0, top: int = 5, *, cell: int | None = None, ax: None = None
    ) -> "Image": ...

    @overload
    def plot(
        self, index: int = 0, top: int = 5, *, cell: int | None = None, ax: "Axes"
    ) -> "Axes": ...

    @checked
    def plot(
        self,
        index: int = 0,
        top: int = 5,
        *,
        cell: int | None = None,
        ax: "Axes | None" = None,
    ) -> "Image | Axes":
        """The stages of image ``index`` for the ``top`` maps that contribute most, and the sum.

        ``cell`` and ``ax`` as in `Attribution.plot`.
        """
        from optogram.render import compact, heatmap, resized, scale_of, sheet, text_size, visible

        index = whole("index", index, -len(self.images), len(self.images) - 1)
        top = whole("top", top, 1)
        require_tiles(cell, top + 1, 4)
        maps = self.maps[index if len(self.maps) > 1 else 0]
        gradients, weights = self.gradients[index], self.weights[index]
        parts = maps * weights
        strongest = np.argsort(-np.abs(parts).sum(axis=(0, 1)), kind="stable")[:top]
        size = self.result.shown_size(index, cell)
        score = self.result.score_unit
        units = "activation", f"{score} per activation", f"{score} per activation", score

        def drawn(stage: np.ndarray, unit: str) -> list["Image"]:
            scale = scale_of(stage[..., strongest])
            return [heatmap(stage[..., k], size=size, scale=scale, unit=unit) for k in strongest]

        tiles = np.broadcast_to(weights, maps.shape)
        columns = [
            drawn(stage, unit)
            for stage, unit in zip((maps, gradients, tiles, parts), units, strict=True)
        ]
        rows: list[list[Image | None]] = [list(row) for row in zip(*columns, strict=True)]
        photo = resized(visible(self.images[index]), size)
        rows.append([photo, None, None, heatmap(self.sum[index], size=size, unit=score)])
        captions = [f"map {k}, weight {compact(float(weights[k]))}" for k in strongest]
        captions.append(f"{self.targets[index]}: the sum over {counted(len(weights), 'map')}")
        titles = ["1 map", "2 gradient", "3 weight", "4 weight × map, summed"]
        text = text_size(*size)
        return placed(sheet(rows, titles=titles, captions=captions, text=text), ax)
