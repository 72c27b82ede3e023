"""Results of occlusion."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from optogram.errors import InputError
from optogram.result.attribution import Attribution, comparable

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, eq=False, kw_only=True)
class Occlusion(Attribution):
    """An occlusion map: the drop of the score for each position of the patch.

    Attributes
    ----------
    scores : ndarray of shape (N, rows, cols)
        The scores with the patch; ``values`` is ``score`` minus these.
    exact : bool ndarray of shape (rows, cols)
        Which of them were computed exactly; the others are interpolated (`progressive_occlusion`)
        or rounded (``precision="fast"``).
    error : ndarray of shape (N, rows, cols), or None
        Expected error of each value: at least 95 % of them are nearer to the exact ones than that,
        as measured on photographs. 0 where it is exact. None in files of earlier versions.
    """

    shapes: ClassVar = Attribution.shapes | {"values": "N h w", "scores": "N h w", "exact": "h w"}

    scores: np.ndarray
    exact: np.ndarray
    error: np.ndarray | None = None

    def mask(self, t: float, of: str = "values") -> np.ndarray:
        """(N, rows, cols), True where the patch lowers the score most.

        Parameters
        ----------
        t : float
            Threshold as a fraction of the maximum of each image.
        of : {"values", "scores"}
            "values": True where the drop reaches ``t`` times the largest drop. "scores": True
            where the score with the patch is below ``t`` times the largest such score; nowhere if
            no score is positive.

        Raises
        ------
        InputError
            If ``t`` is not above 0 and at most 1, or ``of`` is unknown.
        """
        if self._shown(of) is self.values:
            return super().mask(t)
        scores, highest = comparable(self.scores, t)
        return scores < t * highest

    def overlay(
        self, index: int = 0, photo: Any = None, of: str = "values", **style: Any
    ) -> "Image":
        """The map of image ``index`` over that image; see `Attribution.overlay`.

        ``of="scores"`` shows the scores with the patch instead of their drop; low scores mark
        important places. Their scale begins at 0.
        """
        from optogram.render import scale_of

        if of == "values":
            return super().overlay(index, photo, **style)
        scores = self._shown(of)[index]
        style.setdefault("scale", scale_of(scores))
        style.setdefault("unit", self.score_unit)
        return self._laid_over(photo, index, self._on_image(scores), style)

    def at(
        self,
        size: Literal["photo", "network"] | tuple[int, int],
        index: int = 0,
        of: str = "values",
    ) -> np.ndarray:
        """The map of image ``index`` at the pixels of its photo; see `Attribution.at`.

        ``of="scores"``: the scores with the patch instead of their drop.
        """
        return self._at(self._on_image(self._shown(of)[index]), size, index)

    def heat(self, index: int = 0, of: str = "values", **style: Any) -> "Image":
        """The map of image ``index``, each value at the center of its patch.

        Parameters
        ----------
        index : int
            Index of the image.
        of : {"values", "scores"}
            Drop of the score, or score with the patch.
        **style
            See `optogram.render.heatmap`: ``size``, ``scale``, ``cmap``, ``bar``, ``title``.
        """
        from optogram.render import heatmap, scale_of

        shown = self._shown(of)[index]
        unit = self.score_unit if of == "scores" else self.unit
        size = self.images.shape[1:3]
        style = {"scale": scale_of(shown), "size": size, "unit": unit, **style}
        return heatmap(self._on_image(shown), **style)

    def through_mask(
        self,
        t: float,
        index: int = 0,
        photo: Any = None,
        light: float = 0.12,
        of: str = "values",
    ) -> "Image":
        """Image ``index``, dark outside `mask` (``t``, ``of``).

        Each pixel belongs to the patch with the nearest center. See `Attribution.through_mask`.
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
        """Rows and columns of the image at the centers of patches."""
        counts, patch = self.values.shape[1:], self.parameters["patch"]
        rows, columns = (
            np.arange(count) * step + (side - 1) / 2
            for count, side, step in zip(counts, patch, self.parameters["stride"], strict=True)
        )
        return rows, columns

    def _on_image(self, cells: np.ndarray) -> np.ndarray:
        """(H, W): ``cells`` (rows, cols) with each value at the center of its patch."""
        from optogram.render.resample import resize_map

        height, width = self.images.shape[1:3]
        # One cell a step: in cells, how far the image begins before the first of them.
        steps, patch = self.parameters["stride"], self.parameters["patch"]
        top, left = (0.5 - side / 2 / step for side, step in zip(patch, steps, strict=True))
        box = (top, left, top + height / steps[0], left + width / steps[1])
        return resize_map(cells, (height, width), box=box)
