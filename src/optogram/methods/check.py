"""Sanity checks for attribution maps: weight randomization, deletion and insertion."""

from collections.abc import Iterable, Mapping
from typing import overload

from optogram.arguments import MOST_SEED, checked, whole
from optogram.errors import InputError
from optogram.methods.sanity.checking import checked_together
from optogram.progress import ShownProgress, reporting
from optogram.result import Attribution, Check


@overload
def check(
    result: Mapping[str, Attribution],
    *,
    steps: int = 24,
    seed: int = 0,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> dict[str, Check]: ...


@overload
def check(
    result: Attribution | Iterable[Attribution],
    *,
    steps: int = 24,
    seed: int = 0,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Check: ...


@checked
def check(
    result: Attribution | Iterable[Attribution] | Mapping[str, Attribution],
    *,
    steps: int = 24,
    seed: int = 0,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Check | dict[str, Check]:
    """Run sanity checks on attribution maps.

    Weight randomization (Adebayo et al., "Sanity checks for saliency maps", 2018): the weights are
    scrambled layer by layer from the output, and the map is computed again. A map that stays the
    same does not depend on what the network learned. The map of an edge detector always stays the
    same. Maps of masked images and of points on a path are computed with as many as the first one.

    Deletion and insertion (Petsiuk et al., "RISE", 2018, section 4.3): pixels are removed, or
    inserted, in the order of the map, and the score is recorded. A good map has a small area under
    the deletion curve and a large area under the insertion curve, compared with a random map and
    an edge map of the same resolution.

    Parameters
    ----------
    result : Attribution, iterable of Attribution, or mapping of str to Attribution
        Result of an attribution method, computed in this process. Several results, such as one
        per photo of a folder, are checked one at a time and summarized by mean and standard
        deviation; they must come from one method. A mapping, such as several methods or layers for
        one photo, is checked at once, each result by itself: the weights are scrambled once for
        all, and the curves of random maps and edge maps are computed once for each resolution.
    steps : int
        Number of deletion and insertion steps, at least 2.
    seed : int
        Random seed of the scrambling and the random map.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
        One set of scrambled weights comes on top.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)`` for each result, or for all of a mapping; ``what``
        describes the work.

    Returns
    -------
    Check, or dict of str to Check for a mapping
        ``values`` (N, stages): rank correlation of each map with the map after each stage of
        scrambling, 0 where the latter is empty; ``deletion`` and ``insertion`` curves with their
        areas; ``sentence``, the conclusion.

    Raises
    ------
    InputError
        If a result was loaded from a file, the results are of several methods, there is none, or
        steps is too small.
    """
    steps, seed = whole("steps", steps, 2), whole("seed", seed, 0, MOST_SEED)
    if isinstance(result, Mapping):
        results = [_answered(one) for one in result.values()]
        with reporting(progress) as told:
            found = checked_together(results, steps, seed, memory, told)
        return dict(zip(result, found, strict=True))
    parts: list[Check] = []
    with reporting(progress) as told:
        for one in result if isinstance(result, Iterable) else [result]:
            one = _answered(one)
            if parts and (one.method, one.layer) != (parts[0].checked, parts[0].layer):
                raise InputError(
                    f"The results come from {parts[0].checked} and {one.method}, or from two "
                    "layers: check one method at a time, or give a dict of results by name."
                )
            (part,) = checked_together([one], steps, seed, memory, told)
            parts.append(part.with_pictures_of(parts[0]) if parts else part)
    if not parts:
        raise InputError("Expected at least one result to check, got none.")
    return Check.joined(parts)


def _answered(result: Attribution) -> Attribution:
    """The result, which has the question that it answers; InputError if not."""
    if not isinstance(result, Attribution) or result.question is None:
        raise InputError(
            "check needs a result of saliency, gradcam or another attribution method, made "
            "in this process: one loaded from a file has no network to ask; explain again."
        )
    return result
