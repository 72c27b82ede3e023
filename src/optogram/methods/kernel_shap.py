"""KernelSHAP: Shapley values of segments, by a weighted linear regression."""

from typing import Any

from optogram.arguments import checked
from optogram.methods.masking.segmented import explained_by_segments
from optogram.methods.masking.subsets import ShapleySubsets
from optogram.network.network import Network
from optogram.progress import ShownProgress
from optogram.result import SegmentAttribution


@checked
def kernel_shap(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    segments: Any = 64,
    masks: int = 4000,
    tolerance: float = 0.1,
    baseline: Any = "gray",
    seed: int = 0,
    score: str = "logit",
    precision: str = "exact",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> SegmentAttribution:
    """KernelSHAP: the Shapley value of each segment, by a regression over subsets of segments.

    Lundberg and Lee, "A unified approach to interpreting model predictions" (2017), theorem 2:
    least squares of S(z) − S(baseline) by Σ φₖ zₖ over subsets z, weighted by
    (K − 1) ÷ (C(K, |z|) |z| (K − |z|)), under Σ φₖ = S(x) − S(baseline), which holds exactly. In z,
    some segments are of the image and the others of the baseline. Subsets are drawn as likely as
    their weights are, each with its complement (Covert and Lee 2021, "Improving KernelSHAP"); where
    there are no more than ``masks``, each is taken once, and the Shapley values are exact.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
    segments : int or array
        Number of segments, of which SLIC (scikit-image) makes about so many of each image; or
        labels, whole numbers of shape (H, W) in pixels of the prepared image, or (M, H, W).
    masks : int
        Largest number of masked images, at least twice the number of segments. 2^K − 2 are
        all there are.
    tolerance : float
        The map has converged, and no more masks are taken, when the standard error of its pixels is
        on average at most this share of its range. 0: take all masks.
    baseline : str, number or picture
        What is in place of the other segments, as in `integrated_gradients`: "black", "white",
        "gray", "mean", "blur", a gray level in 0..255, or an image.
    seed : int
        Random seed. Masks depend only on the seed and the number of segments.
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
    SegmentAttribution
        ``values`` (N, H, W), in units of the score, for a whole segment and constant on it; over
        segments they sum to S(x) − S(baseline).
        ``segment_values`` (N, K) has them once, ``segments`` (N, H, W) the segment of each
        pixel; ``error`` and ``segment_error`` are standard errors.

    Raises
    ------
    InputError
        If image, target, segments or baseline cannot be used, a number is out of range, or
        scikit-image is missing.
    """
    return explained_by_segments(
        "kernel_shap",
        ShapleySubsets,
        net,
        image,
        target,
        segments=segments,
        masks=masks,
        tolerance=tolerance,
        baseline=baseline,
        seed=seed,
        score=score,
        precision=precision,
        fit=fit,
        memory=memory,
        progress=progress,
    )
