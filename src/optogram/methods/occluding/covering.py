"""Scores of images with a patch on them, wherever it is put."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from optogram.arguments import whole
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.interpreters.windowed.plan import WindowPlan
from optogram.interpreters.windowed.run import Windowed
from optogram.methods.request.painting import paint_for
from optogram.methods.request.request import ask, weighted_sums
from optogram.network.network import Network
from optogram.progress import Progress, silent
from optogram.result import Occlusion

_GAIN = 1.1
"""How much less windows must be expected to cost before they take the place of whole maps."""


class Patches:
    """A patch that slides over images: where it can be, and what it covers there.

    Parameters
    ----------
    size : (height, width)
        Of the images.
    patch, stride : int, (height, width) or None
        Its cell, and from one position to the next; None: a seventh of each side, half a patch.
    margin : int
        Pixels covered beyond the cell on every side, cut at the border.

    Attributes
    ----------
    patch, stride : (height, width)
        In pixels.
    rows, columns : int ndarrays of shape (positions, 2)
        The first row that is covered and the one after the last; the same of columns.

    Raises
    ------
    InputError
        If the patch does not fit the images.
    """

    def __init__(
        self,
        size: tuple[int, int],
        patch: int | tuple[int, int] | None,
        stride: int | tuple[int, int] | None,
        margin: int,
    ) -> None:
        self.patch = _sides("patch", patch, [max(1, round(side / 7)) for side in size], size)
        self.stride = _sides("stride", stride, [max(1, side // 2) for side in self.patch], size)
        margin = whole("margin", margin, 0)
        self.rows, self.columns = (
            covered(np.arange(0, side - extent + 1, step), extent, margin, side)
            for side, extent, step in zip(size, self.patch, self.stride, strict=True)
        )

    @property
    def shape(self) -> tuple[int, int]:
        """How many positions there are down, and across."""
        return len(self.rows), len(self.columns)

    @property
    def places(self) -> np.ndarray:
        """All of them, (rows · columns, 2), row after row: which row, which column."""
        return np.stack(
            np.divmod(np.arange(len(self.rows) * len(self.columns)), len(self.columns)), 1
        )


def covered(first: np.ndarray, extent: int, margin: int, side: int) -> np.ndarray:
    """Where patches begin and end, cut at the border, (P, 2), whose cells begin at ``first``."""
    return np.clip(np.stack([first - margin, first + extent + margin], axis=1), 0, side)


def windows_for(
    net: Network,
    wanted: Sequence[Output],
    size: tuple[int, int],
    patches: Sequence[np.ndarray],
    count: int,
    memory: float | str | None,
    one_at_a_time: bool = False,
) -> Windowed | None:
    """How only what patches change is computed; None where that would be no faster, or not fit.

    ``patches`` are the rows and the columns that each covers; for the others see `WindowPlan`.
    """
    rows, columns = patches
    found = Windowed(WindowPlan(net, size, wanted, rows, columns, count, one_at_a_time))
    return found if _GAIN * found.cost < 1 and found.fits(memory) else None


class Covering:
    """What scores targets have with patches on their images.

    Parameters
    ----------
    net, image, target
        As every method takes them.
    patch, stride, fill, fill_space, margin, score, incremental
        See `occlusion`.
    memory : float or str, optional
        Memory budget.
    together : int, optional
        About how many positions of an image are asked for at a time; None: all.

    Attributes
    ----------
    answer : Answer
        To the images as they are; its request has the targets, which are known.
    patches : Patches
        What covers them.
    parameters : dict
        What `occlusion` would be called with.

    Raises
    ------
    InputError
        If image or target cannot be used, or the patch does not fit the image.
    """

    def __init__(
        self,
        net: Network,
        image: Any,
        target: Any,
        *,
        patch: int | tuple[int, int] | None,
        stride: int | tuple[int, int] | None,
        fill: float | str,
        fill_space: str,
        margin: int,
        score: str,
        incremental: bool,
        memory: float | str | None,
        together: int | None = None,
    ) -> None:
        request = ask(net, image, target, score)
        self.patches = patches = Patches(request.size, patch, stride, margin)
        self._paint = paint_for(net, request.x, fill, fill_space, max(patches.patch) + 2 * margin)
        self.parameters = {
            "patch": patches.patch,
            "stride": patches.stride,
            "fill": fill,
            "fill_space": fill_space,
            "margin": margin,
            "score": score,
            "incremental": incremental,
        }
        self._memory = memory
        self.answer = request.answer(memory)
        self._weights = self.answer.request.weights()
        self._windowed = None
        if incremental:
            self._windowed = windows_for(
                net,
                list(self._weights),
                request.size,
                (patches.rows, patches.columns),
                together or len(patches.places),
                memory,
            )
        self._base: tuple[int, list[Any]] | None = None

    def scores(self, image: int, places: np.ndarray, progress: Progress = silent) -> np.ndarray:
        """(T, P): the score of each explanation of one image with the patch at each of P places."""
        request = self.answer.request
        x, paint = request.x[image : image + 1], self._paint[image : image + 1]
        weights = request.weights_of(image, self._weights)
        scores = np.empty((np.count_nonzero(request.which == image), len(places)), np.float32)
        found: Iterator[tuple[Any, list[np.ndarray]]]
        if self._windowed is None:
            found = self._plainly(x[0], paint[0], places, list(weights), progress)
        else:
            # Kept for one image, which may be asked about again.
            if self._base is None or self._base[0] != image:
                self._base = None
                self._base = image, self._windowed.base(x, self._memory)
            found = self._windowed.stream(self._base[1], paint, places, self._memory, progress)
        for which, outputs in found:
            scores[:, which] = weighted_sums(outputs, weights)
        return scores

    def result(
        self,
        scores: np.ndarray,
        exact: np.ndarray,
        warnings: Sequence[str] = (),
    ) -> Occlusion:
        """The map that ``scores`` (N, rows, cols) make, of which the ``exact`` ones were computed.

        It says that `occlusion` made it, which gives all of them when called with `parameters`.
        """
        drops = self.answer.scores[:, None, None] - scores
        return self.answer.attribution(
            "occlusion",
            drops,
            self.parameters,
            kind=Occlusion,
            warnings=warnings,
            scores=scores,
            exact=exact,
        )

    def _plainly(
        self,
        x: np.ndarray,
        paint: np.ndarray,
        places: np.ndarray,
        wanted: Sequence[Output],
        progress: Progress,
    ) -> Iterator[tuple[slice, list[np.ndarray]]]:
        """Outputs for the image (H, W, C) under each patch, by whole forward passes."""
        rows, columns = self.patches.rows, self.patches.columns

        def feed(part: slice) -> np.ndarray:
            pictures = np.repeat(x[None], part.stop - part.start, axis=0)
            for picture, (row, column) in zip(pictures, places[part], strict=True):
                window = slice(*rows[row]), slice(*columns[column])
                picture[window] = paint[window]
            return pictures

        return self.answer.request.net.stream(
            feed, len(places), x.shape[:2], wanted, self._memory, progress
        )


def _sides(
    name: str, given: int | tuple[int, int] | None, default: Sequence[int], limit: Sequence[int]
) -> tuple[int, int]:
    """(height, width) of what was given as one number or two; within 1 … ``limit``."""
    sides = tuple(default) if given is None else given
    if not isinstance(sides, tuple | list):
        sides = (sides, sides)
    fits = len(sides) == 2 and all(
        isinstance(side, int) and 1 <= side <= most for side, most in zip(sides, limit, strict=True)
    )
    if not fits:
        raise InputError(
            f"{name} must be whole pixels within the image of {limit[0]}×{limit[1]}, not {given!r}."
        )
    return sides[0], sides[1]
