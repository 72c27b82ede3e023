"""The loops of the tutorials: one photo, one position, one filter at a time.

Grad-CAM, saliency and occlusion follow rows B5 to B7, activation maximization row D1 of the
tutorials that optogram implements.
"""

import keras
import numpy as np

from ..side import Given, Opened
from ..tasks import FILTERS, PATCH, SIDE, STEPS
from .keras_programs import gradient, parts


def opened(name: str, given: Given) -> Opened:
    """The Keras model itself."""
    model, front, behind = parts(given)
    photos, label = given.photos, given.label
    of_maps = gradient(lambda maps: behind(maps, training=False)[:, label], compiled=False)
    of_image = gradient(lambda x: model(x, training=False)[:, label], compiled=False)

    def gradcam() -> np.ndarray:
        made = []
        for photo in photos:
            maps = keras.ops.convert_to_numpy(front(photo[None], training=False))
            weights = of_maps(maps).mean(axis=(1, 2), keepdims=True)
            made.append(np.maximum((weights * maps).sum(axis=-1), 0)[0])
        return np.stack(made)

    def saliency() -> np.ndarray:
        return np.concatenate([of_image(photo[None]) for photo in photos])

    def occlusion() -> np.ndarray:
        plain = model.predict(photos[:1], verbose=0)[0, label]
        drops = []
        for top in range(0, SIDE, PATCH):
            for left in range(0, SIDE, PATCH):
                covered = photos[:1].copy()
                covered[:, top : top + PATCH, left : left + PATCH] = 0
                drops.append(plain - model.predict(covered, verbose=0)[0, label])
        return np.reshape(drops, (SIDE // PATCH, SIDE // PATCH))

    def maximize() -> np.ndarray:
        made = []
        for number in range(FILTERS):
            ascent = gradient(
                lambda x, number=number: (
                    front(x, training=False)[:, 2:-2, 2:-2, number].mean()
                    if keras.config.backend() == "torch"
                    else keras.ops.mean(front(x, training=False)[:, 2:-2, 2:-2, number])
                ),
                compiled=True,
            )
            x = np.random.default_rng(0).random((1, SIDE, SIDE, 3), np.float32) * 0.25 - 0.125
            for _ in range(STEPS):
                slope = ascent(x)
                x = x + 10 * slope / (np.linalg.norm(slope) + 1e-12)
            made.append(x)
        return np.concatenate(made)

    return Opened(
        lambda: model.predict(photos[:1], verbose=0),
        {"gradcam": gradcam, "saliency": saliency, "occlusion": occlusion, "maximize": maximize},
    )
