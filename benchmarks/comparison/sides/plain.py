"""Plain Keras, written with care: all photos in one call, compiled, in batches."""

from collections.abc import Iterator

import keras
import numpy as np

from ..side import Given, Opened
from ..tasks import BATCH, GRID, MASKS, NOISE, PATCH, POINTS, SAMPLES, SIDE
from .keras_programs import gradient, parts


def opened(name: str, given: Given) -> Opened:
    """The Keras model itself."""
    model, front, behind = parts(given)
    photos, label = given.photos, given.label
    one = photos[:1]
    of_maps = gradient(lambda maps: behind(maps, training=False)[:, label], compiled=True)
    of_image = gradient(lambda x: model(x, training=False)[:, label], compiled=True)
    rng = np.random.default_rng(0)

    def gradcam() -> np.ndarray:
        maps = front.predict_on_batch(photos)
        weights = of_maps(maps).mean(axis=(1, 2), keepdims=True)
        return np.maximum((weights * maps).sum(axis=-1), 0)

    def smoothgrad() -> np.ndarray:
        noise = rng.standard_normal((SAMPLES, *one.shape[1:]), np.float32)
        return of_image(one + NOISE * np.ptp(one) * noise).mean(axis=0, keepdims=True)

    def integrated_gradients() -> np.ndarray:
        shares = (np.arange(POINTS, dtype=np.float32) + 0.5) / POINTS
        found = of_image(shares[:, None, None, None] * one)
        return one * found.mean(axis=0, keepdims=True)

    def scores(images: Iterator[np.ndarray]) -> np.ndarray:
        found, batch = [], []
        for image in images:
            batch.append(image)
            if len(batch) == BATCH:
                found.append(model.predict_on_batch(np.stack(batch))[:, label])
                batch = []
        if batch:
            rest = np.stack(batch + batch[:1] * (BATCH - len(batch)))
            found.append(model.predict_on_batch(rest)[: len(batch), label])
        return np.concatenate(found)

    def occlusion() -> np.ndarray:
        def covered() -> Iterator[np.ndarray]:
            for top in range(0, SIDE, PATCH):
                for left in range(0, SIDE, PATCH):
                    image = one[0].copy()
                    image[top : top + PATCH, left : left + PATCH] = 0
                    yield image

        plain = model.predict_on_batch(one)[0, label]
        return (plain - scores(covered())).reshape(SIDE // PATCH, SIDE // PATCH)

    def enlarged(maps: np.ndarray) -> np.ndarray:
        size = (SIDE, SIDE)
        return keras.ops.convert_to_numpy(keras.ops.image.resize(maps, size, "bilinear"))

    def scorecam() -> np.ndarray:
        maps = front.predict_on_batch(one)
        low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
        masks = np.moveaxis((maps - low) / np.maximum(high - low, 1e-7), -1, 0)[:, 0, ..., None]

        def masked() -> Iterator[np.ndarray]:
            for start in range(0, len(masks), BATCH):
                yield from enlarged(masks[start : start + BATCH]) * one

        weights = scores(masked())
        return np.maximum((maps * weights).sum(axis=-1), 0)

    def rise() -> np.ndarray:
        total = np.zeros((SIDE, SIDE))
        for _ in range(MASKS // BATCH):
            grids = (rng.random((BATCH, GRID + 1, GRID + 1, 1)) < 0.5).astype(np.float32)
            masks = enlarged(grids)
            found = scores(iter(masks * one))
            total += np.tensordot(found, masks[..., 0], axes=1)
        return total / MASKS

    return Opened(
        lambda: model.predict_on_batch(one),
        {
            "gradcam": gradcam,
            "saliency": lambda: of_image(photos),
            "smoothgrad": smoothgrad,
            "integrated_gradients": integrated_gradients,
            "occlusion": occlusion,
            "scorecam": scorecam,
            "rise": rise,
        },
    )
