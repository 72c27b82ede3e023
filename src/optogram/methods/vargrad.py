"""VarGrad: the variance of the gradient over noisy copies of the image."""

from typing import Any

from optogram.arguments import checked
from optogram.methods.request.copies import noisy_gradients
from optogram.network.network import Network
from optogram.progress import ShownProgress
from optogram.result import NoisyGradients


@checked
def vargrad(
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
) -> NoisyGradients:
    """VarGrad: the variance of ∂S/∂x over noisy copies of the image.

    Adebayo et al., "Local explanation methods for deep neural networks lack sensitivity to
    parameter values" (2018); Hooker et al., "A benchmark for interpretability methods" (2019),
    section 3.2. The variance of the copies, Σ (g − mean)² / samples (not samples − 1), so that
    SquareGrad = VarGrad + SmoothGrad². The noise is that of `smoothgrad`.

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
        Number of noisy copies, at least 2.
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
    NoisyGradients
        ``values`` (N, H, W, C), not negative, (score per network unit)²; ``score`` is the score
        of the image without noise. ``result.smoothgrad()`` and ``result.squaregrad()`` are the mean
        and the mean square of the same gradients, without another pass.

    Raises
    ------
    InputError
        If image or target cannot be used, samples is less than 2 or noise is not positive.
    """
    return noisy_gradients(
        "vargrad", net, image, target, samples, noise, seed, score, fit, memory, progress
    )
