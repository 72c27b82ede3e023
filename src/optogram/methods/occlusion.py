"""Occlusion sensitivity: the drop of a score when a patch covers part of the image."""

from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.interpreters.precision import FAST, PRECISIONS, require_precision
from optogram.methods.occluding.covering import Covering
from optogram.methods.occluding.verifying import VERIFIED, refined
from optogram.network.network import Network
from optogram.progress import ShownProgress, continued, reporting
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
    precision: str = "exact",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Occlusion:
    """Occlusion sensitivity: S(x) − S(x with the patch), for each position of a sliding patch.

    Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), section 4.2.
    Several targets for one image cost no more than one. Where it is faster, only the part of each
    feature map that the patch can change is computed; scores are equal up to rounding.

    With ``fill="drop"``, for transformers, the tokens under the patch are left out, so that
    nothing has to be put in their place; the class token and the positions of the others stay.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
    patch : int or (height, width), optional
        Size of the patch, in pixels of the prepared image. None: a seventh of each side; one
        token with ``fill="drop"``, which takes multiples of a token.
    stride : int or (height, width), optional
        Step between positions: 0, s, 2s … up to side − patch. None: half the patch; the patch
        with ``fill="drop"``.
    fill : float, "mean", "blur" or "drop"
        Fill of the patch: a gray level in 0..255, the image's mean color, or the image, blurred
        until a patch of it shows no detail; "drop": tokens are left out.
    fill_space : {"display", "network"}
        Units of a number given as ``fill``: gray levels, or network units.
    margin : int
        Pixels filled around the patch on every side, clipped at the image's border.
    score : {"logit", "probability"}
        Score of a class: before or after the final softmax or sigmoid.
    incremental : bool
        False: compute a whole forward pass for every position.
    precision : {"exact", "fast", "fast+verify"}
        "fast": where that is faster, large products of the network in bfloat16, and normalizations
        folded into convolutions. A few cells are
        computed again exactly: they are True in ``exact``, and ``rounding_error`` is the error of
        the others. "fast+verify": so are the cells that decide, within four times this error: at
        the maximum, where the sign changes, and at the border of ``mask(0.5)``.
    fit : {"stretch", "crop", "pad"}, optional
        How photos are brought to the input size; see `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    Occlusion
        ``values`` (N, rows, cols), positive where the patch lowers the score; ``scores``, of the
        same shape, the scores with the patch.

    Raises
    ------
    InputError
        If image or target cannot be used, or the patch does not fit the image.
    """
    require_precision(precision, (*PRECISIONS, VERIFIED))
    is_verified = precision == VERIFIED
    with reporting(progress) as told:
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
            precision=FAST if is_verified else precision,
            fit=fit,
            memory=memory,
            progress=told,
        )
        request, places = covering.answer.request, covering.patches.places
        scores = np.empty((len(request.which), len(places)), np.float32)
        for number in range(len(request.x)):
            before = len(request.x) + number * len(places)
            more = continued(told, before, len(request.x) * (1 + len(places)))
            scores[request.which == number] = covering.scores(number, places, more)
        if request.exact is not None:
            return refined(covering, scores, is_verified)
    shape = covering.patches.shape
    return covering.result(scores.reshape(-1, *shape), np.ones(shape, bool))
