"""What a network takes a photo for."""

import numpy as np

from optogram.network.network import Network
from optogram.web.asking import MODEL, PHOTO, Tell, question
from optogram.web.packing import Answer
from optogram.web.photos import Photo
from optogram.web.workspace import Workspace


@question(MODEL, PHOTO)
def predictions(workspace: Workspace, tell: Tell, model: Network, photo: Photo) -> Answer:
    """Probabilities and scores of all classes, (classes,).

    Of a segmentation network the shares of the area where each class is the highest, mean scores,
    and the highest class at each position, (h, w).
    """
    scores = model.scores(workspace.prepared(model, photo))[0]
    arrays = class_numbers(model, scores)
    if model.head.is_spatial:
        arrays["positions"] = _winners(model, scores).astype(np.int32)
    kind = "binary" if model.head.is_binary else model.head.kind
    return Answer({"kind": kind, "is_spatial": model.head.is_spatial}, arrays)


@question(MODEL, PHOTO)
def prepared(workspace: Workspace, tell: Tell, model: Network, photo: Photo) -> Answer:
    """The photo as the network takes it, for display, (H, W, 3) or (H, W, 1) of uint8."""
    x = workspace.prepared(model, photo)
    return Answer({}, {"pixels": for_display(model, x)})


def for_display(model: Network, x: np.ndarray) -> np.ndarray:
    """The first image of a prepared batch as uint8 pixels, (H, W, 3) or (H, W, 1)."""
    return visible(model.display(x)[0])


def visible(pixels: np.ndarray) -> np.ndarray:
    """Pixels (H, W, C) in color or gray."""
    return pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., :1]


def class_numbers(model: Network, scores: np.ndarray) -> dict[str, np.ndarray]:
    """``scores`` and ``probabilities`` of all classes, (classes,), from the scores of one image.

    Of a segmentation network, mean scores, and shares of the area.
    """
    head = model.head
    if head.is_spatial:
        shares = np.bincount(_winners(model, scores).ravel(), minlength=head.classes)
        means = scores.reshape(-1, scores.shape[-1]).mean(axis=0)
        return {"scores": _each(model, means), "probabilities": shares / shares.sum()}
    return {"scores": _each(model, scores), "probabilities": head.probabilities(scores)}


def _each(model: Network, scores: np.ndarray) -> np.ndarray:
    """One score for each class; with one sigmoid output, class 0 has its negative."""
    return np.concatenate([-scores, scores]) if model.head.is_binary else scores


def _winners(model: Network, scores: np.ndarray) -> np.ndarray:
    """(h, w): the highest class at each position."""
    return model.head.probabilities(scores).argmax(axis=-1)
