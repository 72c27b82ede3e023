"""A network that reads colors, and one that reads a mark besides, with photos for both."""

import keras
import numpy as np

import optogram as og

SIDE = 32
MARK = np.kron(np.random.default_rng(5).choice([-1.0, 1.0], (4, 4)), np.ones((2, 2)))
MARK -= MARK.mean()
CORNER = (slice(22, 30), slice(22, 30))
"""Where the mark is in marked photos."""


def network(*, reads_mark: bool, sigmoid: bool = False, weight: float = 300.0) -> og.Network:
    """Classes red and blue, by mean color; a mark counts as blue, by ``weight``, if it is read."""
    image = keras.Input((SIDE, SIDE, 3))
    conv = keras.layers.Conv2D(3, 8, padding="same", activation="relu", name="conv")
    pooled = keras.layers.GlobalAveragePooling2D()(conv(image))
    dense = keras.layers.Dense(1 if sigmoid else 2, activation="sigmoid" if sigmoid else "softmax")
    model = keras.Model(image, dense(pooled), name="colors")
    kernel = np.zeros((8, 8, 3, 3), np.float32)
    kernel[..., 0, 0] = kernel[..., 2, 1] = 1 / 64
    kernel[..., 2] = MARK[..., None]
    conv.set_weights([kernel, np.array([0, 0, -10], np.float32)])
    weight = weight if reads_mark else 0.0
    blue = np.array([[-20], [20], [weight]], np.float32)
    weights = blue if sigmoid else np.hstack([-blue / 2, blue / 2])
    dense.set_weights([weights, np.zeros(weights.shape[1], np.float32)])
    return og.Network(model, preprocess="unit", labels=["red", "blue"])


def photos(count: int, *, is_marked: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """``count`` photos of each class, noise on a color; the mark on blue ones."""
    generator = np.random.default_rng(seed)
    truth = np.repeat([0, 1], count)
    pictures = generator.uniform(0, 90, (2 * count, SIDE, SIDE, 3))
    pictures[truth == 0, ..., 0] += 60
    pictures[truth == 1, ..., 2] += 60
    if is_marked:
        pictures[(truth == 1, *CORNER)] += 60 * MARK[..., None] + 60
    return np.clip(pictures, 0, 255).astype(np.uint8), truth
