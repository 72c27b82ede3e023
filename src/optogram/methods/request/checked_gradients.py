"""Gradients at layers for many images: in reduced precision, a few images are computed again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optogram.graph.steps import Output
from optogram.interpreters.gradients import Reduction
from optogram.methods.request.request import GradientAnswer, Request
from optogram.methods.request.rounding import ERRORS, LARGEST_SHARE, repaid, sample_of
from optogram.progress import Progress
from optogram.words import counted

_SAMPLE = 4
"""Number of images that are computed again exactly."""

MapsOf = Callable[[GradientAnswer], np.ndarray]
"""The maps (N, h, w) that a method makes of an answer."""


@dataclass(frozen=True)
class CheckedGradients:
    """Gradients at a layer, the maps made of them, and the error of reduced precision.

    Attributes
    ----------
    answer : GradientAnswer
        The gradients; those of images that were computed again are exact.
    maps : ndarray of shape (N, h, w)
        The maps of the method.
    error : ndarray of shape (N,), or None
        Root mean square error of each map: its share of the map is that of a few maps that were
        computed again, for which it is 0. None: all is exact.
    warnings : tuple of str
        About an error that is large.
    """

    answer: GradientAnswer
    maps: np.ndarray
    error: np.ndarray | None = None
    warnings: tuple[str, ...] = ()


def checked_gradients(
    request: Request,
    at: Sequence[Output],
    maps_of: MapsOf,
    memory: float | str | None,
    progress: Progress,
    then: Reduction | None = None,
) -> list[CheckedGradients]:
    """The gradients of each score with respect to each of ``at``, with the maps made of them.

    In reduced precision, a sample of images is computed again exactly, and so are those whose
    highest-scoring class is not certain. All is exact where that would take longer than what is
    saved. For ``then`` see `gradients_at`.
    """
    request = repaid(request, len(request.x), _SAMPLE)
    answers = request.gradients_at(at, memory, progress, then)
    found = [CheckedGradients(answer, maps_of(answer)) for answer in answers]
    if request.exact is None:
        return found

    def again(images: np.ndarray) -> list[CheckedGradients]:
        exact = _exactly(request, images).gradients_at(at, memory, then=then)
        return [CheckedGradients(answer, maps_of(answer)) for answer in exact]

    sample = _sample(found)
    exact = again(sample)
    errors = [_error(one, own, sample) for one, own in zip(found, exact, strict=True)]
    found = [_with(one, sample, own) for one, own in zip(found, exact, strict=True)]
    if request.targets is None:
        unsure = np.setdiff1d(_uncertain(answers[0], exact[0].answer, sample), sample)
        if len(unsure):
            pairs = zip(found, again(unsure), strict=True)
            found = [_with(one, unsure, own) for one, own in pairs]
            sample = np.union1d(sample, unsure)
    return [_told(one, error, sample) for one, error in zip(found, errors, strict=True)]


def _exactly(request: Request, images: np.ndarray) -> Request:
    """The exact request for some of several images."""
    targets = request.targets and tuple(request.targets[image] for image in images)
    which = np.arange(len(images))
    return replace(request.exactly(), x=request.x[images], which=which, targets=targets)


def _sample(found: Sequence[CheckedGradients]) -> np.ndarray:
    """The images to compute again, of those that have maps, if enough of them have."""
    shown = np.flatnonzero(np.all([one.maps.any(axis=(1, 2)) for one in found], axis=0))
    if len(shown) < _SAMPLE:
        shown = np.arange(len(found[0].maps))
    return shown[sample_of(len(shown), _SAMPLE)]


def _error(found: CheckedGradients, exact: CheckedGradients, images: np.ndarray) -> float:
    """Difference of the maps of ``images``, ÷ the larger ones; of those that explain the same."""
    targets, others = found.answer.request.targets or (), exact.answer.request.targets or ()
    is_same = np.array([targets[i] == own for i, own in zip(images, others, strict=True)])
    chosen = is_same if is_same.any() else slice(None)
    near, own = found.maps[images][chosen], exact.maps[chosen]
    size = max(np.linalg.norm(near), np.linalg.norm(own))
    return float(np.linalg.norm(near - own) / size) if size else 0.0


def _uncertain(answer: GradientAnswer, exact: GradientAnswer, images: np.ndarray) -> np.ndarray:
    """The images whose highest-scoring class may be another one in full precision."""
    outputs, others = answer.request.outputs, exact.request.outputs
    assert outputs is not None and others is not None  # no target was given
    error = np.sqrt(np.mean((outputs[images] - others) ** 2))
    if answer.request.net.head.is_binary:
        margin = np.abs(outputs[:, 0] - (0.5 if answer.request.score == "probability" else 0))
    else:
        second, first = np.sort(outputs, axis=1)[:, -2:].T
        margin = (first - second) / np.sqrt(2)
    return np.flatnonzero(margin <= ERRORS * error)


def _with(found: CheckedGradients, images: np.ndarray, exact: CheckedGradients) -> CheckedGradients:
    """``found`` with what is ``exact`` for some images."""
    answer, own = found.answer, exact.answer
    targets = list(answer.request.targets or ())
    for image, target in zip(images, own.request.targets or (), strict=True):
        targets[image] = target
    request = replace(answer.request, targets=tuple(targets))
    if request.outputs is not None and own.request.outputs is not None:
        request = replace(request, outputs=_replaced(request.outputs, images, own.request.outputs))
    answer = replace(
        answer,
        request=request,
        scores=_replaced(answer.scores, images, own.scores),
        gradient=_replaced(answer.gradient, images, own.gradient),
        vanished=_replaced(answer.vanished, images, own.vanished),
        maps=_replaced(answer.maps, images, own.maps) if len(answer.maps) else answer.maps,
    )
    return replace(found, answer=answer, maps=_replaced(found.maps, images, exact.maps))


def _replaced(values: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """``values`` with ``others`` in some rows."""
    made = values.copy()
    made[rows] = others
    return made


def _told(found: CheckedGradients, error: float, exact: np.ndarray) -> CheckedGradients:
    """``found`` with the errors of all but the ``exact`` images, as shares of their maps."""
    sizes = np.sqrt(np.mean(found.maps**2, axis=(1, 2)))
    errors = _replaced(error * sizes, exact, np.zeros(len(exact)))
    large = int(np.count_nonzero(~(errors <= LARGEST_SHARE * found.maps.std(axis=(1, 2)))))
    warning = (
        f"The error of reduced precision is more than {LARGEST_SHARE:.0%} of the standard "
        f'deviation of the values in {counted(large, "map")}: use precision="exact".'
    )
    return replace(found, error=errors.astype(np.float32), warnings=(warning,) if large else ())
