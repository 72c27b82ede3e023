"""Scores of images with a patch at given positions."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from optogram.arguments import whole
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.interpreters.dropped_tokens import DroppedTokens
from optogram.interpreters.precision import EXACT
from optogram.interpreters.windowed.plan import planned
from optogram.interpreters.windowed.run import Windowed
from optogram.methods.occluding.dropping import DROP, token_sides, tokens_left
from optogram.methods.request.painting import paint_for
from optogram.methods.request.request import Request, ask, weighted_sums
from optogram.methods.request.rounding import ERRORS, Rounding, repaid
from optogram.network.network import Network
from optogram.progress import Progress, continued, silent
from optogram.result import Occlusion

_GAIN = 1.1
"""Windows replace whole maps only if their estimated cost is lower by this factor."""
_COMPUTING = 0.5
"""Share of their time in which windows compute as whole passes do; the rest is moving numbers,
which reduced precision does not shorten."""


class Patches:
    """Positions of a sliding patch, and the pixels that it covers.

    Parameters
    ----------
    size : (height, width)
        Size of the images.
    patch, stride : int, (height, width) or None
        Size of the patch and step between positions. None: a seventh of each side, half the patch.
    margin : int
        Pixels covered around the patch on every side, clipped at the border.

    Attributes
    ----------
    patch, stride : (height, width)
        In pixels.
    rows, columns : int ndarrays of shape (positions, 2)
        First covered row and last covered row plus one; the same for columns.

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
        """Number of positions down and across."""
        return len(self.rows), len(self.columns)

    @property
    def places(self) -> np.ndarray:
        """All positions, (rows · columns, 2), row by row: row index, column index."""
        return np.stack(
            np.divmod(np.arange(len(self.rows) * len(self.columns)), len(self.columns)), 1
        )


def covered(first: np.ndarray, extent: int, margin: int, side: int) -> np.ndarray:
    """First and last-plus-one, (P, 2), of patches at ``first``, clipped at the border."""
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
    """The windowed computation; None if it is not faster, or does not fit into memory.

    ``patches`` are the rows and columns that each patch covers; for the others see `WindowPlan`.
    """
    rows, columns = patches
    plan = planned(net, size, wanted, rows, columns, count, one_at_a_time)
    found = Windowed(net, plan)
    return found if _GAIN * plan.cost < 1 and found.fits(memory) else None


class Covering:
    """Scores of targets with patches on their images.

    Parameters
    ----------
    net, image, target
        As for every method.
    patch, stride, fill, fill_space, margin, score, incremental, fit, precision
        See `occlusion`; ``precision`` is "exact" or "fast".
    memory : float or str, optional
        Memory budget.
    together : int, optional
        Approximate number of positions per call. None: all.
    progress : callable, optional
        Called for each unchanged image that is scored; these and all positions are the total.

    Attributes
    ----------
    answer : Answer
        Scores of the unchanged images, with the resolved targets.
    patches : Patches
        The positions of the patch.
    parameters : dict
        Arguments of the equivalent call of `occlusion`.
    memory : float, str or None
        As given.

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
        fit: str | None,
        memory: float | str | None,
        together: int | None = None,
        progress: Progress = silent,
        precision: str = EXACT,
    ) -> None:
        request = ask(net, image, target, score, fit, precision=precision)
        self._dropping: DroppedTokens | None = None
        if fill == DROP:
            if margin or fill_space != "display":
                raise InputError(
                    'fill="drop" paints nothing: it takes neither margin nor fill_space.'
                )
            self._dropping = _dropping(request)
            patch = token_sides(self._dropping.grid, request.size) if patch is None else patch
            stride = patch if stride is None else stride
        self.patches = patches = Patches(request.size, patch, stride, margin)
        extent = max(patches.patch) + 2 * margin
        self._paint = (
            None
            if fill == DROP
            else paint_for(net, request.x, fill, fill_space, extent, ("mean", "blur", DROP))
        )
        self.parameters = {
            "patch": patches.patch,
            "stride": patches.stride,
            "fill": fill,
            "fill_space": fill_space,
            "margin": margin,
            "score": score,
            "incremental": incremental,
            "precision": precision,
        }
        self.memory = memory
        total = len(request.x) * (1 + len(patches.places))
        self._begin(request, together or len(patches.places), continued(progress, 0, total))

    def _begin(self, request: Request, together: int, progress: Progress = silent) -> None:
        """Score the images, and plan how to score ``together`` positions."""
        self._windowed = self._windows(request, together)
        share = 1.0 if self._windowed is None else _COMPUTING * self._windowed.cost
        sure = repaid(request, share * len(self.patches.places))
        if sure is not request:
            request, self._windowed = sure, self._windows(sure, together)
            self._dropping = None if self._dropping is None else _dropping(request)
        self.answer = request.answer(self.memory, progress)
        self._weights = self.answer.request.weights()
        self._base: tuple[int, list[Any]] | None = None

    def _windows(self, request: Request, together: int) -> Windowed | None:
        """How windows are scored, if that is faster."""
        if not self.parameters["incremental"] or self._dropping is not None:
            return None
        ranges = self.patches.rows, self.patches.columns
        wanted = request.scored()
        return windows_for(request.net, wanted, request.size, ranges, together, self.memory)

    def exactly(self, together: int, incremental: bool) -> "Covering":
        """The same in full precision, for about ``together`` positions."""
        other = copy.copy(self)
        other.parameters = {**self.parameters, "incremental": incremental}
        request = self.answer.request.exactly()
        other._dropping = None if self._dropping is None else _dropping(request)
        other._begin(request, together)
        return other

    def scores(self, image: int, places: np.ndarray, progress: Progress = silent) -> np.ndarray:
        """(T, P): scores of the explanations of one image with the patch at P positions."""
        request = self.answer.request
        x = request.x[image : image + 1]
        weights = request.weights_of(image, self._weights)
        scores = np.empty((np.count_nonzero(request.which == image), len(places)), np.float32)
        found: Iterator[tuple[Any, list[np.ndarray]]]
        paint = np.empty(0) if self._paint is None else self._paint[image : image + 1]
        if self._dropping is not None:
            rows, columns = self.patches.rows, self.patches.columns
            spans = rows[places[:, 0]], columns[places[:, 1]]
            left = tokens_left(self._dropping.grid, request.size, *spans)
            found = self._dropping.stream(x, left, list(weights), self.memory, progress)
        elif self._windowed is None:
            found = self._plainly(x[0], paint[0], places, list(weights), progress)
        else:
            # Cached for one image, which may be requested again.
            if self._base is None or self._base[0] != image:
                self._base = None
                self._base = image, self._windowed.base(x)
            found = self._windowed.stream(self._base[1], paint, places, self.memory, progress)
        for which, outputs in found:
            scores[:, which] = weighted_sums(outputs, weights)
        return scores

    def result(
        self,
        scores: np.ndarray,
        exact: np.ndarray,
        warnings: Sequence[str] = (),
        rounded: Rounding | None = None,
        error: np.ndarray | None = None,
    ) -> Occlusion:
        """The map of ``scores`` (N, rows, cols), of which some are ``exact`` (rows, cols).

        Its method is `occlusion`, which computes all of them when called with `parameters`.
        ``rounded`` is what is known of the error of reduced precision, ``error`` of the same shape
        as ``scores`` that of interpolation.
        """
        found = Rounding(self.answer) if rounded is None else rounded
        error = np.zeros(scores.shape, np.float32) if error is None else error
        if found.error is not None:
            error = np.maximum(error, ERRORS * found.error[:, None, None])
        error = np.where(exact, 0, error).astype(np.float32)
        return found.answer.attribution(
            "occlusion",
            found.answer.scores[:, None, None] - scores,
            self.parameters,
            kind=Occlusion,
            warnings=[*warnings, *found.warnings],
            scores=scores,
            exact=exact,
            error=error,
            rounding_error=found.error,
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
            feed, len(places), x.shape[:2], wanted, self.memory, progress
        )


def _dropping(request: Request) -> DroppedTokens:
    """The network that leaves out tokens."""
    return DroppedTokens(request.net, request.scored(), request.size)


def _sides(
    name: str, given: int | tuple[int, int] | None, default: Sequence[int], limit: Sequence[int]
) -> tuple[int, int]:
    """(height, width) from one number or two, within 1 … ``limit``."""
    sides = tuple(default) if given is None else given
    if not isinstance(sides, tuple | list):
        sides = (sides, sides)
    fits = len(sides) == 2 and all(
        isinstance(side, int) and 1 <= side <= most for side, most in zip(sides, limit, strict=True)
    )
    if not fits:
        raise InputError(
            f"{name} must be in whole pixels, from 1 to the image's {limit[0]}×{limit[1]}, not "
            f"{given!r}."
        )
    return sides[0], sides[1]
