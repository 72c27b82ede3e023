"""RISE: the mean of random masks, weighted by the score of the image through each."""

from typing import Any

from optogram.arguments import MOST_SEED, checked, number, whole
from optogram.methods.masking.converging import MOST_MASKS, until_converged
from optogram.methods.masking.random_grids import FIRST, GridMasks, RandomGrids
from optogram.methods.request.baseline import baseline_images, described
from optogram.methods.request.request import ask
from optogram.methods.request.rounding import repaid
from optogram.network.network import Network
from optogram.progress import ShownProgress, continued, reporting
from optogram.result import RISE


@checked
def rise(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    masks: int = 4000,
    tolerance: float = 0.1,
    grid: int = 7,
    baseline: Any = "black",
    seed: int = 0,
    score: str = "logit",
    precision: str = "exact",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> RISE:
    """RISE: (1 ÷ Np) Σ Sᵢ Mᵢ over random masks Mᵢ, with the score Sᵢ of the image through each.

    Petsiuk, Das and Saenko, "RISE: Randomized input sampling for explanation of black-box models"
    (2018), equation 6, with p = ½: the mean score of the image with a pixel visible. Cells of a
    grid are visible with probability ½; grids are enlarged bilinearly and shifted at random. Masks
    come in pairs, a mask and its complement, which is as likely: each pixel is visible in exactly
    half of them. Without pairs, chance differences of that, times the mean score, are most of the
    error.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
    masks : int
        Largest number of masks, at least 4.
    tolerance : float
        The map has converged, and no more masks are taken, when the standard error of its pixels is
        on average at most this share of its range. 0: take all masks.
    grid : int
        Cells along each side of a mask, at least 2.
    baseline : str, number or picture
        What is in place of the masked part, as in `integrated_gradients`: "black", "white", "gray",
        "mean", "blur", a gray level in 0..255, or an image.
    seed : int
        Random seed. Masks depend only on the seed, the grid and the size of the image, not on the
        backend, the image or the batch size.
    score : {"logit", "probability"}
        Score of a class: before or after the final softmax or sigmoid.
    precision : {"exact", "fast"}
        "fast": where that is faster, large products of the network in bfloat16, and normalizations
        folded into convolutions. ``rounding_error``
        of the result is the error of the scores, measured on a few of them.
    fit : {"stretch", "crop", "pad"}, optional
        How photos are brought to the input size; see `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    RISE
        ``values`` (N, H, W), in units of the score: around the mean score of all masked images,
        larger where it matters that a pixel is visible. ``error``, of the same shape, is their
        standard error; ``passes`` (N,) the number of masks used.

    Raises
    ------
    InputError
        If image, target or baseline cannot be used, or a number is out of range.
    """
    masks, grid = whole("masks", masks, 4, MOST_MASKS), whole("grid", grid, 2)
    tolerance, seed = number("tolerance", tolerance, 0), whole("seed", seed, 0, MOST_SEED)
    request = ask(net, image, target, score, fit, precision=precision)
    request = repaid(request, min(masks, FIRST))
    base = baseline_images(request, baseline)
    drawn = GridMasks(request.size, grid, seed)
    images = len(request.x)
    targets = len(request.which) // images
    designs = [RandomGrids(drawn, targets, masks) for _ in request.x]
    total = images + sum(design.count for design in designs)
    with reporting(progress) as told:
        answer = request.answer(memory, continued(told, 0, total))
        more = continued(told, images, total)
        found = until_converged(answer, base, designs, tolerance, memory, more)
    parameters = {
        "masks": masks,
        "tolerance": tolerance,
        "grid": grid,
        "baseline": described(baseline),
        "seed": seed,
        "score": score,
        "precision": precision,
    }
    return found.answer.attribution(
        "rise",
        found.values,
        parameters,
        arguments={**parameters, **found.again, "baseline": base},
        kind=RISE,
        warnings=found.warnings,
        **found.fields,
    )
