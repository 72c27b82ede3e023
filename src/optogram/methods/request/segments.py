"""Segments of images: superpixels, or labels that are given."""

from typing import Any

import numpy as np

from optogram.arguments import as_index, shown
from optogram.errors import InputError
from optogram.methods.request.request import Request

_COMPACTNESS = (10, 100, 1000, 10000)
"""SLIC's weight of distance in the image against distance in color (CIELAB), the first that gives
half of the segments asked for: noise falls into pieces that are merged. The last gives squares."""


def segments_of(request: Request, segments: Any) -> np.ndarray:
    """Labels 0, 1, 2 … of the pixels of each image of a request, int (M, H, W).

    ``segments`` is a number, of which SLIC (Achanta et al. 2012) makes about so many, or labels of
    any whole numbers, (H, W) or (M, H, W).

    Raises
    ------
    InputError
        If scikit-image is missing, the labels do not fit the images, or there is only one segment.
    """
    count, (height, width) = as_index(segments), request.size
    if count is not None:
        if not 2 <= count <= height * width:
            raise InputError(
                f"segments must be from 2 to the number of pixels, {height * width}, not {count}."
            )
        labels = np.stack([_slic(image, count) for image in request.net.display(request.x)])
    else:
        labels = _array(segments)
        if labels.dtype.kind not in "iu" or labels.shape not in (
            (height, width),
            (len(request.x), height, width),
        ):
            raise InputError(
                "segments must be a number, or whole numbers, one for each pixel of the prepared "
                f"image, ({height}, {width}), not {_kind(segments, labels)}."
            )
        labels = np.broadcast_to(labels, (len(request.x), height, width))
    labels = np.stack([np.unique(one, return_inverse=True)[1].reshape(one.shape) for one in labels])
    for one in labels:
        if one.max() < 1:
            raise InputError("There is only one segment: give segments as an array of labels.")
    return labels


def skimage_segmentation(otherwise: str = "") -> Any:
    """The module ``skimage.segmentation``.

    Raises
    ------
    InputError
        If scikit-image is not installed; ``otherwise`` is what else the user can do.
    """
    try:
        from skimage import segmentation
    except ImportError as error:
        raise InputError(
            f"Segments are made by scikit-image: install optogram[segments]{otherwise}."
        ) from error
    return segmentation


def _slic(image: np.ndarray, count: int) -> np.ndarray:
    """(H, W): about ``count`` superpixels of an image (H, W, C) in 0…255."""
    slic = skimage_segmentation(", or give segments as an array of labels").slic
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    for compactness in _COMPACTNESS:
        labels = slic(
            image,
            n_segments=count,
            compactness=compactness,
            start_label=0,
            convert2lab=image.shape[2] == 3,
            channel_axis=-1,
        )
        if len(np.unique(labels)) >= max(2, count / 2):
            break
    return labels


def _array(given: Any) -> np.ndarray:
    """``given`` as an array; an empty one where it is none."""
    try:
        return np.asarray(given) if hasattr(given, "__len__") else np.zeros(0)
    # Ragged lists, or a tensor on another device.
    except Exception:
        return np.zeros(0)


def _kind(given: Any, labels: np.ndarray) -> str:
    if not hasattr(given, "__len__") or isinstance(given, str):
        return shown(given)
    return f"an array of {labels.dtype} of shape {labels.shape}"
