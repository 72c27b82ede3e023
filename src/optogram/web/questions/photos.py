"""What a network takes a photo for."""

import numpy as np

from optogram.network.network import Network
from optogram.web.asking import MODEL, PHOTO, Tell, question
from optogram.web.packing import Answer
from optogram.web.workspace import Photo, Workspace


@question(MODEL, PHOTO)
def predictions(workspace: Workspace, tell: Tell, model: Network, photo: Photo) -> Answer:
    """Probabilities and scores of all classes, (classes,); of a segmentation, shares of the area.

    A network that scores classes at every position has probabilities (h, w, classes) too.
    """
    scores = model.scores(workspace.prepared(model, photo))
    probabilities = model.head.probabilities(scores)[0]
    arrays = {"scores": scores[0]}
    if model.head.is_spatial:
        winners = probabilities.argmax(axis=-1)
        shares = np.bincount(winners.ravel(), minlength=model.head.classes) / winners.size
        arrays |= {"positions": winners.astype(np.int32), "probabilities": shares}
    else:
        arrays |= {"probabilities": probabilities}
    kind = "binary" if model.head.is_binary else model.head.kind
    return Answer({"kind": kind, "is_spatial": model.head.is_spatial}, arrays)


@question(MODEL, PHOTO)
def prepared(workspace: Workspace, tell: Tell, model: Network, photo: Photo) -> Answer:
    """The photo as the network takes it, for display, (H, W, 3) or (H, W, 1) of uint8."""
    pixels = model.display(workspace.prepared(model, photo))[0]
    return Answer({}, {"pixels": pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., :1]})
