"""Occlusion sensitivity: how far a score falls when a patch covers each place."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.methods.painting import paint_for
from optogram.methods.request import Request, ask
from optogram.network.network import Network
from optogram.progress import Progress, silent
from optogram.result import Occlusion


def occlusion(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    patch: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    fill: float | str = 127.5,
    fill_space: str = "display",
    margin: int = 0,
    score: str = "logit",
    memory: int | str | None = None,
    progress: Progress = silent,
) -> Occlusion:
    """What the score loses when a patch slides over the image: S(x) − S(x with the patch).

    Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), section 4.2.
    Several targets for one image cost no more than one.

    Parameters
    ----------
    net : Network
        What is explained.
    image
        Everything that `Network.prepare` takes.
    target : Target, int, str or a list of these, optional
        What is scored; one image may have several, one explanation each. None: each image's own
        answer.
    patch : int or (height, width), optional
        The cell that slides, in pixels of the prepared image; None: a seventh of each side.
    stride : int or (height, width), optional
        From one position to the next: 0, s, 2s … up to side − patch; None: half a patch.
    fill : float, "mean" or "blur"
        What is painted: a grey in 0..255, the image's mean colour, or the image blurred until a
        patch of it shows nothing.
    fill_space : {"display", "network"}
        "network": a number given as ``fill`` is in the units that the network is fed.
    margin : int
        Pixels painted beyond the cell on every side, cut at the image's border.
    score : {"logit", "probability"}
        Whether classes are scored before or after the last softmax or sigmoid.
    memory : int or str, optional
        What the call may add to the process, as in ``"2GB"``; None: a quarter of what is free.
    progress : callable, optional
        Called as ``progress(done, total, what)``.

    Returns
    -------
    Occlusion
        ``values`` (N, rows, cols), positive where the place speaks for the target; ``scores``,
        the same shape, the score with the patch there.

    Raises
    ------
    InputError
        If image or target cannot be used, or the patch does not fit the image.
    """
    request = ask(net, image, target, score)
    patch = _sides("patch", patch, [max(1, round(side / 7)) for side in request.size], request.size)
    stride = _sides("stride", stride, [max(1, side // 2) for side in patch], request.size)
    if margin < 0:
        raise InputError(f"margin must be 0 or more pixels, not {margin}.")
    tops, lefts = (
        range(0, side - extent + 1, step)
        for side, extent, step in zip(request.size, patch, stride, strict=True)
    )
    windows = [
        (
            slice(max(0, top - margin), top + patch[0] + margin),
            slice(max(0, left - margin), left + patch[1] + margin),
        )
        for top in tops
        for left in lefts
    ]
    paint = paint_for(net, request.x, fill, fill_space, max(patch) + 2 * margin)
    answer = request.answer(memory)
    scores = _scores(answer.request, windows, paint, memory, progress)
    scores = scores.reshape(-1, len(tops), len(lefts))
    parameters = {
        "patch": patch,
        "stride": stride,
        "fill": fill,
        "fill_space": fill_space,
        "margin": margin,
        "score": score,
    }
    values = answer.scores[:, None, None] - scores
    return answer.attribution(occlusion, values, parameters, kind=Occlusion, scores=scores)


def _scores(
    request: Request,
    windows: Sequence[tuple[slice, slice]],
    paint: np.ndarray,
    memory: int | str | None,
    progress: Progress,
) -> np.ndarray:
    """(N, windows): the score of each explanation with each window of its image painted."""

    def painted(image: int, number: int) -> np.ndarray:
        picture = request.x[image].copy()
        picture[windows[number]] = paint[image][windows[number]]
        return picture

    return request.scores_of_variants(painted, len(windows), memory, progress)


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
