"""Masked copies of an image are scored until the map that is estimated from them has converged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from optogram.methods.request.masked import scores_of_masked
from optogram.methods.request.request import Answer, Request
from optogram.methods.request.rounding import SAMPLE, rounding
from optogram.progress import Progress, silent

MOST_MASKS = 1_000_000
"""Largest number of masked images: their scores are kept."""


class Design(Protocol):
    """The masks of one image, and the maps estimated from the scores of its masked copies.

    Attributes
    ----------
    count : int
        Number of copies, at most.
    ends : sequence of int
        Numbers of copies after which the maps are looked at, in increasing order; the last is
        ``count``.
    """

    @property
    def count(self) -> int:
        """See above."""

    @property
    def ends(self) -> Sequence[int]:
        """See above."""

    def masks(self, part: slice) -> np.ndarray:
        """The masks (P, H, W, 1) with the numbers of ``part``; see `scores_of_masked`."""

    def learn(self, part: slice, scores: np.ndarray) -> None:
        """Take the ``scores`` (T, P) of these copies; called in their order."""

    def close(self) -> None:
        """Free what no other image needs."""

    def estimate(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The maps (t, ...) of some targets and the standard errors of their cells."""


@dataclass(frozen=True)
class Converged:
    """Maps of all explanations.

    Attributes
    ----------
    values, error : ndarray of shape (N, ...)
        The maps, and the standard error of each cell.
    passes : int ndarray of shape (N,)
        Number of masked copies that each was estimated from.
    relative_error : ndarray of shape (N,)
        Mean standard error divided by the range of the map; see `SampledAttribution`.
    warnings : list of str
        Which did not converge, and errors of reduced precision.
    answer : Answer
        The answer, with exact scores of the images.
    rounding_error : ndarray of shape (N,), or None
        The error of reduced precision.
    """

    values: np.ndarray
    error: np.ndarray
    passes: np.ndarray
    relative_error: np.ndarray
    warnings: list[str]
    answer: Answer
    rounding_error: np.ndarray | None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a `SampledAttribution` beside its values."""
        return {
            "error": self.error,
            "passes": self.passes,
            "relative_error": self.relative_error,
            "rounding_error": self.rounding_error,
        }

    @property
    def again(self) -> dict[str, Any]:
        """The arguments with which a map is asked again: as many masks, whatever comes of them.

        Maps of networks with scrambled weights would hardly converge.
        """
        return {"masks": int(self.passes.max()), "tolerance": 0.0}


def until_converged(
    answer: Answer,
    base: np.ndarray,
    designs: Sequence[Design],
    tolerance: float,
    memory: float | str | None,
    progress: Progress,
) -> Converged:
    """The maps of all explanations, each from as few copies as it takes to converge.

    A map has converged when its `relative_error` is at most ``tolerance``. Explanations of one
    image share its copies, but each stops for itself, so that others in the call do not change it.
    ``progress`` is told of copies; ``designs`` has one design per image. What is masked is replaced
    by ``base`` (M, H, W, C).
    """
    request = answer.request
    total = sum(design.count for design in designs)
    found: list[Any] = [None] * len(request.which)
    first = np.zeros((len(request.which), min(SAMPLE, *(design.count for design in designs))))
    spread = np.zeros(len(request.which))
    before = 0
    for image, design in enumerate(designs):
        explained = np.flatnonzero(request.which == image)
        is_open = np.ones(len(explained), bool)
        every = list[np.ndarray]()

        def told(done: int, _: int, what: str, before: int = before) -> None:
            progress(before + done, total, "masked images")

        stream = scores_of_masked(
            request, image, base[image], design.masks, design.count, memory, told
        )
        for part, scores in stream:
            every.append(scores)
            for piece in _pieces(part, design.ends):
                design.learn(piece, scores[:, piece.start - part.start : piece.stop - part.start])
                if piece.stop not in design.ends:
                    continue
                rows = np.flatnonzero(is_open)
                for row, values, error in zip(rows, *design.estimate(rows), strict=True):
                    ratio = relative_error(values, error)
                    if not ratio > tolerance or piece.stop == design.count:
                        found[explained[row]] = values, error, piece.stop, ratio
                        is_open[row] = False
                if not is_open.any():
                    break
            if not is_open.any():
                break
        stream.close()
        design.close()
        together = np.hstack(every)
        first[explained], spread[explained] = together[:, : first.shape[1]], together.std(axis=1)
        before += design.count
        progress(before, total, "masked images")  # the stream was left before it said so
    values, error, passes, ratios = zip(*found, strict=True)

    def again(exact: Request) -> np.ndarray:
        found = np.empty_like(first)
        for image, design in enumerate(designs):
            parts = scores_of_masked(
                exact, image, base[image], design.masks, first.shape[1], memory, silent
            )
            found[exact.which == image] = np.hstack([scores for _, scores in parts])
        return found

    rounded = rounding(answer, first - answer.scores[:, None], again, spread, memory)
    return Converged(
        np.stack(values).astype(np.float32),
        np.stack(error).astype(np.float32),
        np.array(passes),
        np.array(ratios, np.float32),
        [
            f"The map for {place} has not converged: after {count:,} masked images its standard "
            f"error is {_shown(ratio)} its range, more than tolerance={tolerance:g}; raise masks, "
            "or read no detail into it."
            for place, count, ratio in zip(answer.places, passes, ratios, strict=True)
            if tolerance and ratio > tolerance
        ]
        + list(rounded.warnings),
        rounded.answer,
        rounded.error,
    )


def ends_of(count: int, first: int, step: int) -> list[int]:
    """``first``, ``first + step`` … below ``count``, then ``count``."""
    return [*range(first, count, step), count]


def _pieces(part: slice, ends: Sequence[int]) -> Iterator[slice]:
    """``part`` in pieces that end where the maps are looked at."""
    inner = [end for end in ends if part.start < end < part.stop]
    for start, stop in zip([part.start, *inner], [*inner, part.stop], strict=True):
        yield slice(start, stop)


def relative_error(values: np.ndarray, error: np.ndarray) -> float:
    """Mean error ÷ range without the part of the range that is due to the error.

    A map of noise alone has a range of several errors, too. 0 for a constant map without error,
    infinite where differences are no larger than errors make them, NaN if values are not finite.
    """
    mean, variance = float(error.mean()), float(values.var())
    if mean == 0:
        return 0.0
    share = 1 - float((error**2).mean()) / variance if variance else 0.0
    return mean / (float(np.ptp(values)) * np.sqrt(share)) if not share <= 0 else np.inf


def _shown(ratio: float) -> str:
    return f"{ratio:.0%} of" if np.isfinite(ratio) else "no less than"
