"""SmoothGrad: the mean gradient over noisy copies of the image."""

from typing import Any

import numpy as np

from optogram.arguments import MOST_SEED, checked, number, whole
from optogram.methods.request.copies import mean_gradient
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, continued, reporting
from optogram.result import Attribution


@checked
def smoothgrad(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    samples: int = 32,
    noise: float = 0.15,
    seed: int = 0,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Attribution:
    """SmoothGrad: the mean of ∂S/∂x over noisy copies of the image.

    Smilkov et al., "SmoothGrad" (2017), section 3.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
    samples : int
        Number of noisy copies, at least 1.
    noise : float
        Standard deviation of the noise, as a fraction of the range (maximum − minimum) of the
        prepared image.
    seed : int
        Random seed. The noise depends only on the seed and the image size, not on the backend or
        the batch size.
    score : {"logit", "probability"}
        Score of a class: before or after the final softmax or sigmoid.
    fit : {"stretch", "crop", "pad"}, optional
        How photos are brought to the input size; see `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    Attribution
        ``values`` (N, H, W, C), signed, score per network unit; ``score`` is the score of
        the image without noise.

    Raises
    ------
    InputError
        If image or target cannot be used, samples is not positive or noise is negative.
    """
    samples, noise = whole("samples", samples, 1), number("noise", noise, 0)
    seed = whole("seed", seed, 0, MOST_SEED)
    request = ask(net, image, target, score, fit)
    images, total = len(request.x), len(request.x) + samples * len(request.which)
    generator = np.random.default_rng(seed)

    def offsets(x: np.ndarray, part: slice) -> np.ndarray:
        nonlocal generator
        if part.start == 0:
            generator = np.random.default_rng(seed)
        drawn = generator.standard_normal((part.stop - part.start, *x.shape), np.float32)
        return drawn * np.float32(noise * np.ptp(x))

    shares = np.full(samples, 1 / samples, np.float32)
    with reporting(progress) as told:
        answer = request.answer(memory, continued(told, 0, total))
        more = continued(told, images, total)
        values = mean_gradient(answer.request, offsets, shares, memory, more)
    parameters = {"samples": samples, "noise": noise, "seed": seed, "score": score}
    return answer.attribution("smoothgrad", values, parameters)
