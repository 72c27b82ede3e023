"""XRAI: regions of the image, ranked by the integrated gradients in them."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.integrated_gradients import integrated_gradients
from optogram.methods.request.request import ask
from optogram.methods.request.segments import skimage_segmentation
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, continued, reporting
from optogram.result import IntegratedGradients

if TYPE_CHECKING:
    from scipy.sparse import csc_array

_BASELINES = ("black", "white")
_SCALES = (50, 100, 150, 250, 500, 1200)
"""Scales of the over-segmentations: the larger, the larger the regions."""
_SIGMA = 0.8
"""Width of the blur before segmentation, in pixels."""
_SIDE = 224
"""Side in pixels for which the scales and the numbers of pixels below are meant."""
_LEAST_REGION, _LEAST_GAIN = 150, 50
"""Pixels of the smallest region, and pixels that a region must add to be taken."""
_DILATION = 5
"""Pixels that each region grows on all sides, so that it contains its edge."""
_TOLERATED_GAP = 0.1
"""Largest gap without a warning, as a share of the mean change from the baselines."""
_ROUNDING = 1e-4
"""Gaps below this fraction of the score are rounding errors."""


@checked
def xrai(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    points: int | Sequence[int] | None = None,
    spacing: str | None = None,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> IntegratedGradients:
    """XRAI: regions of the image, in the order of the mean attribution that each adds.

    Kapishnikov et al., "XRAI: better attributions through regions" (2019), algorithm 1. Integrated
    gradients from black and from white are averaged, and summed over channels. The image is
    segmented by Felzenszwalb and Huttenlocher's algorithm at six scales (50 to 1200), and each
    region grows by 5 pixels. Of all these regions, the one with the largest mean attribution of the
    pixels that it adds to those before is taken next; these pixels get that mean. A region must add
    50 pixels; pixels that are left at the end get their own mean. Numbers of pixels are for images
    of 224 × 224, and in proportion for others.

    Needs scikit-image (``pip install optogram[segments]``).

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
    points : int or sequence of int, optional
        Number of points of each of the two integrated gradients; see `integrated_gradients`.
    spacing : {"cubic", "even"}, optional
        Position of these points; see `integrated_gradients`.
    score : {"logit", "probability"}
        Score of a class: before or after the final softmax or sigmoid.
    fit : {"stretch", "crop", "pad"}, optional
        How photos are brought to the input size; see `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``total`` changes if more points are taken.

    Returns
    -------
    IntegratedGradients
        ``values`` (N, H, W), signed, score per pixel: the mean attribution of the pixels that were
        added with a pixel. They sum to what the integrated gradients sum to. ``baseline_score``
        (N,) is the mean score of black and white, ``completeness_gap`` (N,) the sum of the values
        minus S(x) − baseline_score.

    Raises
    ------
    InputError
        If image or target cannot be used, points is not positive, or scikit-image is missing.
    """
    skimage_segmentation()
    request = ask(net, image, target, score, fit)
    images = len(request.x)
    with reporting(progress) as told:
        answer = request.answer(memory, told)
        request = answer.request
        attributions = np.zeros((len(request.which), *request.size))
        starts = np.zeros((len(_BASELINES), len(request.which)))
        done, used = images, np.zeros(len(request.which), int)
        for number, baseline in enumerate(_BASELINES):
            part = _Part(told, done, len(_BASELINES) - number)
            found = integrated_gradients(
                request.net,
                request.x,
                list(request.targets or ()),
                points=points,
                spacing=spacing,
                baseline=baseline,
                score=score,
                memory=memory,
                progress=part,
            )
            done += part.total
            attributions += found.values.sum(axis=-1, dtype=np.float64) / len(_BASELINES)
            starts[number] = found.baseline_score
            used = np.maximum(used, found.parameters["points"])
            spacing = found.parameters["spacing"]
        values = np.empty(attributions.shape, np.float32)
        segmented = continued(told, done, done + images)
        for i, shown in enumerate(request.net.display(request.x)):
            regions = _regions(shown)
            for explanation in np.flatnonzero(request.which == i):
                values[explanation] = _ranked(regions, attributions[explanation])
            segmented(i + 1, images, "segmenting")
    changes = answer.scores.astype(np.float64) - starts
    gap = attributions.sum(axis=(1, 2)) - changes.mean(axis=0)
    allowed = _TOLERATED_GAP * np.abs(changes).mean(axis=0) + _ROUNDING * np.abs(answer.scores)
    parameters = {
        "points": points if points is None else found.parameters["points"],
        "spacing": spacing,
        "score": score,
    }
    return answer.attribution(
        "xrai",
        values,
        parameters,
        # Asked again, it takes as many points, as integrated gradients do.
        arguments={**parameters, "points": tuple(used.tolist())},
        kind=IntegratedGradients,
        warnings=[
            f"The values for {answer.places[i]} add up to {changes[:, i].mean() + gap[i]:.3g}, but "
            f"the score changes by {changes[:, i].mean():.3g} from the baselines (the mean of "
            "black and white) to the image: too few points, raise points, as in points="
            f"{10 * int(np.max(found.parameters['points']))}."
            for i in np.flatnonzero(np.abs(gap) > allowed)
        ],
        baseline_score=starts.mean(axis=0).astype(np.float32),
        completeness_gap=gap.astype(np.float32),
    )


class _Part:
    """The ``progress`` of one of several alike parts, ``left`` of them with this one."""

    def __init__(self, progress: Progress, before: int, left: int) -> None:
        self.total = 0
        self._progress, self._before, self._left = progress, before, left

    def __call__(self, done: int, total: int, what: str) -> None:
        self.total = total
        self._progress(self._before + done, self._before + self._left * total, what)


def _regions(image: np.ndarray) -> "csc_array":
    """(regions, H·W): which pixels belong to each region of an image (H, W, C) in 0…255."""
    from scipy.ndimage import binary_dilation, find_objects
    from scipy.sparse import csc_array

    felzenszwalb, size = skimage_segmentation().felzenszwalb, image.shape[:2]
    share = math.prod(size) / _SIDE**2
    low, high = float(image.min()), float(image.max())
    scaled = 2 * (image - low) / max(high - low, 1.0) - 1
    reach = round(_DILATION * math.sqrt(share))
    along = np.arange(-reach, reach + 1)
    disk = np.hypot(along[:, None], along) <= reach
    numbers = np.arange(math.prod(size)).reshape(size)
    members = []
    for scale in _SCALES:
        labels = felzenszwalb(
            scaled,
            scale=scale * share,
            sigma=_SIGMA,
            min_size=max(1, round(_LEAST_REGION * share)),
            channel_axis=-1,
        )
        for label, box in enumerate(find_objects(labels + 1)):
            around = tuple(slice(max(0, part.start - reach), part.stop + reach) for part in box)
            members.append(numbers[around][binary_dilation(labels[around] == label, disk)])
    begins = np.cumsum([0, *map(len, members)])
    pixels = np.concatenate(members)
    rows = np.repeat(np.arange(len(members)), np.diff(begins))
    return csc_array((np.ones(len(pixels)), (rows, pixels)), shape=(len(members), numbers.size))


def _ranked(regions: "csc_array", attribution: np.ndarray) -> np.ndarray:
    """(H, W): for each pixel, the mean ``attribution`` (H, W) of those that were added with it."""
    flat = attribution.ravel()
    least = max(1.0, _LEAST_GAIN * flat.size / _SIDE**2)
    rows = regions.tocsr()
    sums, areas = regions @ flat, regions.sum(axis=1)
    left, found = np.ones(flat.size, bool), np.zeros(flat.size)
    while (areas >= least).any():
        means = np.where(areas >= least, sums / np.maximum(areas, 1), -np.inf)
        best = int(means.argmax())
        members = rows.indices[rows.indptr[best] : rows.indptr[best + 1]]
        new = members[left[members]]
        found[new], left[new] = flat[new].mean(), False
        added = regions[:, new]
        sums -= added @ flat[new]
        areas -= added.sum(axis=1)
    if left.any():
        found[left] = flat[left].mean()
    return found.reshape(attribution.shape)
