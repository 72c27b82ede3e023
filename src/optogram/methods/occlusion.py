"""Occlusion sensitivity: how far a score falls when a patch covers each place."""

from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.occluding.covering import Covering
from optogram.network.network import Network
from optogram.progress import Progress, continued, silent
from optogram.result import Occlusion


@checked
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
    incremental: bool = True,
    memory: float | str | None = None,
    progress: Progress = silent,
) -> Occlusion:
    """What the score loses when a patch slides over the image: S(x) − S(x with the patch).

    Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), section 4.2.
    Several targets for one image cost no more than one. Of each map only the part is computed that
    a patch can change, where that is faster; the scores are the same but for rounding.

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
        What is painted: a gray in 0..255, the image's mean color, or the image blurred until a
        patch of it shows nothing.
    fill_space : {"display", "network"}
        "network": a number given as ``fill`` is in the units that the network is fed.
    margin : int
        Pixels painted beyond the cell on every side, cut at the image's border.
    score : {"logit", "probability"}
        Whether classes are scored before or after the last softmax or sigmoid.
    incremental : bool
        False: every position is a whole forward pass.
    memory : float or str, optional
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
    covering = Covering(
        net,
        image,
        target,
        patch=patch,
        stride=stride,
        fill=fill,
        fill_space=fill_space,
        margin=margin,
        score=score,
        incremental=incremental,
        memory=memory,
    )
    request, places = covering.answer.request, covering.patches.places
    scores = np.empty((len(request.which), len(places)), np.float32)
    for number in range(len(request.x)):
        told = continued(progress, number * len(places), len(request.x) * len(places))
        scores[request.which == number] = covering.scores(number, places, told)
    shape = covering.patches.shape
    return covering.result(scores.reshape(-1, *shape), np.ones(shape, bool))
