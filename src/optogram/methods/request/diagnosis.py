"""Warnings about images, scores, gradients and maps."""

from collections.abc import Sequence

import numpy as np

from optogram.interpreters.ends.head import LEAST_LOGIT
from optogram.network.network import Network
from optogram.pictures.prepared import PreparedPhoto, warnings_about_sizes
from optogram.target import Class, Target
from optogram.words import counted

_FEW_LEVELS = 16
"""Photos rarely span fewer gray levels than this, out of 255."""
_FAR_OUTSIDE = 64
"""Resampling and noise do not go further outside 0…255 than this."""
_NEARLY = 0.99
"""Share of the logit that stands for log 0; differences of two contain another term."""
_WITHOUT_PLACES = ("gradcam", "gradcam_plus_plus", "xgradcam", "scorecam", "ablationcam")
"""Methods whose weights are those of whole feature maps."""
_OF_COPIES = (
    *("occlusion", "rise", "sobol", "kernel_shap", "lime", "scorecam", "xrai"),
    *("smoothgrad", "vargrad", "squaregrad", "integrated_gradients", "expected_gradients"),
    *("guided_integrated_gradients", "layer_conductance"),
)
"""Methods that compare the image with altered copies."""
_SORTING = ("TopK", "Argsort", "Sort")
"""Operations that choose queries. KerasHub's D-FINE has them inside a layer that is not inlined,
and returns what it chose as outputs of its own."""
_SATURATED = 0.9999
"""Above this probability, float32 keeps few digits of its difference to 1."""


def warnings_about_images(
    net: Network, x: np.ndarray, photos: Sequence[PreparedPhoto] | None
) -> tuple[str, ...]:
    """Warnings about the images ``x`` (M, H, W, C), prepared from ``photos`` if known.

    The pixels of float arrays, and of batches prepared by another network, are checked: photos from
    files have not been prepared before.
    """
    found = list(warnings_about_sizes(photos or (), x.shape[1:3]))
    if net.preparation.name == "none" and not net.takes_pixels:
        return tuple(found)  # such a network may take numbers of any size
    for i, one in enumerate(x):
        if photos and not photos[i].is_float and photos[i].preparation == net.preparation.name:
            continue
        pixels = net.preparation.to_display(one)
        low, high = pixels.min(), pixels.max()
        which = f"Image {i}" if len(x) > 1 else "The image"
        if 0 < high - low < _FEW_LEVELS:
            found.append(
                f"{which} spans only {high - low:.2g} of 255 gray levels: it may have been scaled "
                "or prepared before; pass the photo itself, in 0…255."
            )
        elif low < -_FAR_OUTSIDE or high > 255 + _FAR_OUTSIDE:
            found.append(
                f"{which} has pixels from {low:.0f} to {high:.0f}, a photo from 0 to 255: it may "
                f"have been prepared twice, or not by this network's {net.preparation.name!r}."
            )
    return tuple(found)


def warnings_about_scores(
    net: Network, score: str, scores: np.ndarray, targets: Sequence[Target], names: Sequence[str]
) -> tuple[str, ...]:
    """Warnings about probabilities so near to 0 or 1 that their gradients are lost.

    ``scores`` (N,) are the scores of the ``targets``, described by ``names``.
    """
    if score == "logit" and net.head.is_hidden:
        return tuple(
            f"The probability of {name} is 0 or 1 in float32, where its logarithm has no "
            'gradient: use score="probability", or explain another class.'
            for name, target, value in zip(names, targets, scores, strict=True)
            if net.head.logits in target.outputs(net) and abs(value) >= -_NEARLY * LEAST_LOGIT
        )
    if score != "probability" or net.head.kind == "linear":
        return ()
    return tuple(
        f"The {net.head.kind} is saturated for {name} (probability {value:.6f}): a probability "
        'hardly changes there, so its gradients are rounding errors; use score="logit".'
        for name, target, value in zip(names, targets, scores, strict=True)
        if isinstance(target, Class) and abs(value) >= _SATURATED
    )


def warnings_about_boxes(net: Network, method: str) -> tuple[str, ...]:
    """Warnings about methods that do not know which box of a detector is explained."""
    warnings = []
    if method in _WITHOUT_PLACES:
        warnings.append(
            "This method has one weight for each feature map, at all positions: it also shows "
            "other objects of the class than the one in the box. Use layercam, hirescam or "
            "saliency to see what counts for this box."
        )
    read = net.graph.ancestors([net.head.logits])
    sorts = any(net.graph.steps[index].kind in _SORTING for index in read)
    if method in _OF_COPIES and (sorts or any("topk" in name for name in net.outputs)):
        warnings.append(
            "This network chooses anew for each image what its boxes are: in altered copies, "
            "another object can have the index of the box. Use a method that takes the gradient "
            "at the image itself, such as layercam or saliency."
        )
    return tuple(warnings)


def warnings_about_gradients(
    vanished: np.ndarray, names: Sequence[str], where: str
) -> tuple[str, ...]:
    """Warnings about gradients that ``vanished`` (N,); ``where``: where they were taken."""
    return tuple(
        f"The gradient of {name} at {where} is zero everywhere, because of inactive rectifiers or "
        "a saturated activation: the map has no meaning."
        for name, is_nothing in zip(names, vanished, strict=True)
        if is_nothing
    )


def warnings_about_maps(maps: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """Warnings about maps (N, ...) that are not finite, zero, or constant."""
    found = []
    for name, values in zip(names, maps, strict=True):
        low, high = values.min(), values.max()  # NaN if any value is
        if not (np.isfinite(low) and np.isfinite(high)):
            bad = int(np.count_nonzero(~np.isfinite(values)))
            found.append(
                f"The map for {name} has {counted(bad, 'NaN or infinite value')}: the network "
                "overflows for "
                "this image."
            )
        elif low == high == 0:
            found.append(
                f"The map for {name} is zero everywhere: no part of this image raises its score."
            )
        elif values.size > 1 and low == high:
            found.append(f"The map for {name} is constant: it does not distinguish places.")
    return tuple(found)
