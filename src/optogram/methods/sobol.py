"""Sobol attribution: how much of the variance of a score each part of the image causes."""

from typing import Any

from optogram.arguments import MOST_SEED, checked, number, whole
from optogram.errors import InputError
from optogram.methods.masking.converging import MOST_MASKS, until_converged
from optogram.methods.masking.sobol_indices import FIRST, SobolDesign
from optogram.methods.request.baseline import baseline_images, described
from optogram.methods.request.request import ask
from optogram.methods.request.rounding import repaid
from optogram.network.network import Network
from optogram.progress import ShownProgress, continued, reporting
from optogram.result import SampledAttribution

_LEAST_ROWS = 2
_MOST_GRID = 64
"""Larger grids need more dimensions than there are Sobol sequences."""


@checked
def sobol(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    masks: int = 2112,
    tolerance: float = 0.1,
    grid: int = 8,
    baseline: Any = "gray",
    seed: int = 0,
    score: str = "logit",
    precision: str = "exact",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> SampledAttribution:
    """Sobol attribution: the total Sobol index of each cell of a grid over the image.

    Fel et al., "Look at the variance! Efficient black-box explanations with Sobol-based sensitivity
    analysis" (2021): cells are faded at random between the image and the baseline, and the total
    index is the share of the variance of the score that a cell takes part in, alone and together
    with others. It is at least 0 and does not tell for from against. The masks are a scrambled
    Sobol sequence; the estimator is Jansen's (1999), ½ mean (S(A) − S(Cᵢ))² ÷ variance, where A and
    B are two masks and Cᵢ is A with cell i of B.

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
        Largest number of masks, at least twice grid² + 2. Whole rows of grid² + 2 masks are used:
        2112 are 32 rows for a grid of 8×8.
    tolerance : float
        The map has converged, and no more masks are taken, when the standard error of its cells is
        on average at most this share of its range. 0: take all masks.
    grid : int
        Cells along each side, from 2 to 64.
    baseline : str, number or picture
        What the image is faded to, as in `integrated_gradients`: "black", "white", "gray", "mean",
        "blur", a gray level in 0..255, or an image.
    seed : int
        Random seed of the sequence. Masks depend only on the seed and the grid.
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
    SampledAttribution
        ``values`` (N, grid, grid), shares of the variance of the score; their sum is above 1 where
        cells act together. ``error``, of the same shape, is their standard error; ``passes`` (N,)
        the number of masks used.

    Raises
    ------
    InputError
        If image, target or baseline cannot be used, or a number is out of range.
    """
    grid, masks = whole("grid", grid, 2, _MOST_GRID), whole("masks", masks, 1, MOST_MASKS)
    tolerance, seed = number("tolerance", tolerance, 0), whole("seed", seed, 0, MOST_SEED)
    rows = masks // (grid**2 + 2)
    if rows < _LEAST_ROWS:
        raise InputError(
            f"masks must be at least {_LEAST_ROWS * (grid**2 + 2)} for a grid of {grid}×{grid}, "
            f"not {masks}: a row of the design takes {grid**2 + 2}."
        )
    request = ask(net, image, target, score, fit, precision=precision)
    request = repaid(request, min(rows, FIRST) * (grid**2 + 2))
    base = baseline_images(request, baseline)
    images = len(request.x)
    targets = len(request.which) // images
    designs = [SobolDesign(request.size, grid, seed, targets, rows) for _ in request.x]
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
        "sobol",
        found.values,
        parameters,
        arguments={**parameters, **found.again, "baseline": base},
        kind=SampledAttribution,
        warnings=found.warnings,
        **found.fields,
    )
