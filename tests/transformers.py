"""Small vision transformers, with noise in all weights, for the tests of tokens and attention."""

import keras
import numpy as np
from keras import layers, ops

SIDE, PATCH, WIDTH = (12, 8), 4, 8
GRID = (3, 2)


def attend(x, name):
    """Attention and what is added to it, in layers of Keras."""
    normed = layers.LayerNormalization(name=f"{name}_ln1")(x)
    attention = layers.MultiHeadAttention(2, WIDTH // 2, dropout=0.1, name=f"{name}_mha")
    x = layers.Add(name=f"{name}_sum1")([x, attention(normed, normed)])
    normed = layers.LayerNormalization(name=f"{name}_ln2")(x)
    mlp = layers.Dense(12, activation="gelu", name=f"{name}_mlp")(normed)
    return layers.Add(name=f"{name}_sum2")([x, layers.Dense(WIDTH, name=f"{name}_out")(mlp)])


class Front(layers.Layer):
    """A class token in front, and positions."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, WIDTH), name="token")
        self.positions = layers.Embedding(shape[1] + 1, WIDTH, name="positions")
        self.positions.build(())

    def compute_output_shape(self, shape):
        return shape[0], shape[1] + 1, WIDTH

    def call(self, x):
        token = ops.tile(self.token, (ops.shape(x)[0], 1, 1))
        x = ops.concatenate([token, x], axis=1)
        return x + self.positions(ops.arange(x.shape[1]))


def token():
    """The class token is read."""
    image = keras.Input((*SIDE, 3))
    x = layers.Conv2D(WIDTH, PATCH, PATCH, name="patches")(image)
    x = Front(name="front")(layers.Reshape((-1, WIDTH), name="flat")(x))
    x = attend(attend(x, "first"), "second")
    x = layers.LayerNormalization(name="last")(x)
    return keras.Model(image, layers.Dense(3, name="scores")(x[:, 0]))


class Patches(layers.Layer):
    """The patches of images, in operations alone, as in the example of keras.io."""

    def call(self, images):
        batch, height, width, channels = ops.shape(images)
        found = ops.image.extract_patches(images, size=PATCH)
        tokens = (height // PATCH) * (width // PATCH)
        return ops.reshape(found, (batch, tokens, PATCH * PATCH * channels))


class Encoder(layers.Layer):
    """Projects patches, and adds positions."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.projection = layers.Dense(WIDTH, name="projection")
        self.positions = layers.Embedding(GRID[0] * GRID[1], WIDTH, name="positions")

    def call(self, patches):
        places = ops.expand_dims(ops.arange(0, GRID[0] * GRID[1], 1), axis=0)
        return self.projection(patches) + self.positions(places)


def gap():
    """The mean of tokens is read, of a network as in the example of keras.io."""
    image = keras.Input((*SIDE, 3))
    x = attend(Encoder(name="encoder")(Patches(name="patches")(image)), "first")
    x = layers.LayerNormalization(name="last")(x)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model(image, layers.Dense(3, name="scores")(x))


class Windows(layers.Layer):
    """Attention within windows of 2×2 that are shifted, as Swin's, in operations."""

    def __init__(self, rows, columns, **settings):
        super().__init__(**settings)
        self.rows, self.columns = rows, columns
        self.qkv = layers.Dense(3 * WIDTH, name="qkv")
        self.projection = layers.Dense(WIDTH, name="projection")
        self.norm = layers.LayerNormalization(name="norm")

    def get_config(self):
        return {**super().get_config(), "rows": self.rows, "columns": self.columns}

    def build(self, shape):
        self.bias = self.add_weight(shape=(2, 4, 4), name="bias")
        self.norm.build(shape)
        self.qkv.build(shape)
        self.projection.build(shape)

    def call(self, x):
        batch, rows, columns = ops.shape(x)[0], self.rows // 2, self.columns // 2
        maps = ops.reshape(self.norm(x), (batch, self.rows, self.columns, WIDTH))
        maps = ops.roll(maps, (-1, -1), (1, 2))
        windows = ops.reshape(maps, (-1, rows, 2, columns, 2, WIDTH))
        windows = ops.reshape(ops.transpose(windows, (0, 1, 3, 2, 4, 5)), (-1, 4, WIDTH))
        number = ops.shape(windows)[0]
        qkv = ops.reshape(self.qkv(windows), (number, 4, 3, 2, WIDTH // 2))
        query, key, value = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), 3)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * 0.5
        scores = ops.softmax(scores + ops.expand_dims(self.bias, 0))
        made = ops.transpose(ops.matmul(scores, value), (0, 2, 1, 3))
        made = self.projection(ops.reshape(made, (number, 4, WIDTH)))
        made = ops.reshape(made, (number // (rows * columns), rows, columns, 2, 2, WIDTH))
        made = ops.reshape(
            ops.transpose(made, (0, 1, 3, 2, 4, 5)), (-1, self.rows, self.columns, WIDTH)
        )
        return x + ops.reshape(ops.roll(made, (1, 1), (1, 2)), ops.shape(x))


def windows():
    """Attention within windows."""
    image = keras.Input((16, 8, 3))
    x = layers.Conv2D(WIDTH, PATCH, PATCH, name="patches")(image)
    x = layers.Reshape((8, WIDTH), name="flat")(x)
    x = layers.LayerNormalization(name="last")(Windows(4, 2, name="block")(x))
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model(image, layers.Dense(3, name="scores")(x))


def mixer():
    """Tokens are mixed by a dense layer, after they were turned."""
    image = keras.Input((*SIDE, 3))
    x = layers.Conv2D(WIDTH, PATCH, PATCH, name="patches")(image)
    x = layers.Reshape((GRID[0] * GRID[1], WIDTH), name="flat")(x)
    turned = layers.Permute((2, 1), name="turned")(layers.LayerNormalization(name="ln")(x))
    mixed = layers.Dense(GRID[0] * GRID[1], activation="gelu", name="mixed")(turned)
    x = layers.Add(name="sum")([x, layers.Permute((2, 1), name="back")(mixed)])
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model(image, layers.Dense(3, name="scores")(x))


KINDS = {"token": token, "gap": gap, "windows": windows, "mixer": mixer}


def build(kind):
    """The network, with noise in all weights, also where they start with zeros or ones."""
    keras.utils.set_random_seed(0)
    model = KINDS[kind]()
    draw = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(weight + draw.normal(0, 0.3, weight.shape))
    return model
