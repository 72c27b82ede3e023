"""A small vision transformer of Keras's layers, for tests and for its mirror in PyTorch."""

import keras
import numpy as np

BLOCKS, HEADS, WIDTH, HIDDEN, CLASSES = 2, 2, 16, 24, 4
PATCH, ROWS, COLUMNS = 4, 3, 4
SHAPE = (ROWS * PATCH, COLUMNS * PATCH, 3)


class InFront(keras.layers.Layer):
    """Puts tokens, the same for each image, in front, and adds a position to all."""

    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def build(self, shape):
        tokens, width = shape[1:]
        if self.count:
            self.front = self.add_weight(shape=(1, self.count, width), name="front")
        self.position = keras.layers.Embedding(self.count + tokens, width, name="position")
        self.position.build()

    def call(self, x):
        if self.count:
            front = keras.ops.tile(self.front, (keras.ops.shape(x)[0], 1, 1))
            x = keras.ops.concatenate([front, x], axis=1)
        return x + self.position(keras.ops.arange(x.shape[1], dtype="int32"))


def vit(front=1, pooling="token", seed=0):
    """A transformer of two blocks that reads its first token, or the mean of all tokens.

    With ``front`` None, it has no positions either, and consists of Keras's layers alone. There is
    noise in all weights, so that no two heads, tokens or channels are alike.
    """
    layers = keras.layers
    image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(WIDTH, PATCH, PATCH, name="patches")(image)
    x = layers.Reshape((ROWS * COLUMNS, WIDTH), name="flat")(x)
    x = x if front is None else InFront(front, name="in_front")(x)
    for block in range(BLOCKS):
        name = f"block{block}"
        y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_ln1")(x)
        attention = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, name=f"{name}_mha")
        x = layers.Add(name=f"{name}_add1")([x, attention(y, y)])
        y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_ln2")(x)
        y = layers.Dense(HIDDEN, "gelu", name=f"{name}_mlp1")(y)
        y = layers.Dense(WIDTH, name=f"{name}_mlp2")(y)
        x = layers.Add(name=f"{name}_add2")([x, y])
    x = layers.LayerNormalization(epsilon=1e-6, name="ln")(x)
    x = x[:, 0] if pooling == "token" else layers.GlobalAveragePooling1D(name="mean")(x)
    model = keras.Model(image, layers.Dense(CLASSES, name="scores")(x), name=f"vit_{pooling}")
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        noise = generator.normal(0, 0.35, weight.shape).astype(np.float32)
        weight.assign(noise + (1 if weight.name == "gamma" else 0))
    return model


def images(count=2):
    """Prepared images, the same on every backend."""
    return np.random.default_rng(1).normal(0, 1, (count, *SHAPE)).astype(np.float32)
