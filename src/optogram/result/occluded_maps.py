"""Feature maps with a patch on the image, and their difference from those without it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, overload

import numpy as np

from optogram.arguments import whole
from optogram.result.maps import ACTIVATION, FeatureMaps
from optogram.result.plotting import placed, require_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image


@dataclass(frozen=True, eq=False, kw_only=True)
class OccludedMaps(FeatureMaps):
    """Feature maps of one layer for an image with a patch: ``values`` (1, h, w, C).

    Attributes
    ----------
    images : uint8 ndarray of shape (1, H, W, C)
        The input image with the patch.
    unoccluded : ndarray of shape (1, h, w, C)
        The maps without the patch.
    box : int ndarray of shape (4,)
        The patch: top, left, bottom, right in pixels of the input image; bottom and right are
        exclusive.
    """

    shapes: ClassVar = FeatureMaps.shapes | {"unoccluded": "N h w C", "box": "4"}

    unoccluded: np.ndarray
    box: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        """(1, h, w, C): ``values`` minus ``unoccluded``; negative where the patch lowers a map."""
        return self.values - self.unoccluded

    def most_changed(self, count: int = 5) -> np.ndarray:
        """(count,): the channels that the patch changes most, by the mean |`difference`|."""
        changes = np.abs(self.difference[0]).mean(axis=(0, 1))
        return np.argsort(-changes, kind="stable")[: whole("count", count, 1)]

    @overload
    def plot(self, top: int = 5, *, cell: int | None = None, ax: None = None) -> "Image": ...

    @overload
    def plot(self, top: int = 5, *, cell: int | None = None, ax: "Axes") -> "Axes": ...

    def plot(
        self, top: int = 5, *, cell: int | None = None, ax: "Axes | None" = None
    ) -> "Image | Axes":
        """The ``top`` maps that change most: without the patch, with it, and the difference.

        All on one scale a column; the first two share theirs. ``cell``: longer side of each map in
        pixels. ``ax`` as in `Result.plot`.
        """
        from optogram.render import heatmap, resized, scale_of, sheet, text_size, visible

        chosen = self.most_changed(top)
        require_tiles(cell, len(chosen) + 1, 3)
        size = self.shown_size(0, cell)
        before, after, change = (
            maps[0][..., chosen] for maps in (self.unoccluded, self.values, self.difference)
        )
        scale, change_scale = scale_of(np.stack([before, after])), scale_of(change, signed=True)
        stages = [(before, scale), (after, scale), (change, change_scale)]
        rows: list[list[Image | None]] = [
            [heatmap(maps[..., i], size=size, scale=own, unit=ACTIVATION) for maps, own in stages]
            for i in range(len(chosen))
        ]
        rows.append([None, resized(visible(self.images[0]), size), None])
        captions = [f"{self.layer}, filter {channel}" for channel in chosen]
        return placed(
            sheet(
                rows,
                titles=["without the patch", "with the patch", "difference"],
                captions=[*captions, "the input with the patch"],
                text=text_size(*size),
            ),
            ax,
        )
