"""Small networks whose relevance zennit computed: see ``reference/lrp_zennit.py``."""

import keras
import numpy as np

SIZE = (16, 16, 3)


def plain():
    """Convolutions, maximum pooling and dense layers, as VGG."""
    x = image = keras.Input(SIZE)
    for filters in (6, 8):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Dense(12, activation="relu")(keras.layers.Flatten()(x))
    return keras.Model(image, keras.layers.Dense(5)(x))


def residual():
    """Blocks with skips, as ResNet."""
    image = keras.Input(SIZE)
    x = normalized(keras.layers.ZeroPadding2D(1)(image), keras.layers.Conv2D(8, 3, strides=2))
    x = keras.layers.ReLU()(x)
    for strides in (1, 2):
        side = normalized(x, keras.layers.Conv2D(10, 1, strides=strides))
        y = normalized(x, keras.layers.Conv2D(6, 1, strides=strides))
        y = keras.layers.ReLU()(y)
        y = normalized(y, keras.layers.Conv2D(10, 3, padding="same"))
        x = keras.layers.ReLU()(keras.layers.Add()([side, y]))
    return keras.Model(image, keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(x)))


def inverted():
    """Depthwise convolutions, ReLU6 and linear bottlenecks, as MobileNetV2."""
    image = keras.Input(SIZE)
    options = {"use_bias": False}
    x = normalized(image, keras.layers.Conv2D(8, 3, strides=2, padding="same", **options))
    x = keras.layers.ReLU(6.0)(x)
    for number in range(2):
        y = normalized(x, keras.layers.Conv2D(16, 1, **options))
        y = keras.layers.ReLU(6.0)(y)
        y = normalized(y, keras.layers.DepthwiseConv2D(3, padding="same", **options))
        y = keras.layers.ReLU(6.0)(y)
        y = normalized(y, keras.layers.Conv2D(8, 1, **options))
        x = keras.layers.Add()([x, y]) if number else y
    return keras.Model(image, keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(x)))


def normalized(x, convolution):
    """A convolution and its batch normalization."""
    return keras.layers.BatchNormalization()(convolution(x))


class ClassToken(keras.layers.Layer):
    """Puts a token in front, and adds what stands for positions."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[2]), name="token")
        self.positions = self.add_weight(shape=(1, shape[1] + 1, shape[2]), name="positions")
        # A layer inside, so that the others are steps.
        self.scale = keras.layers.Rescaling(1.0)

    def call(self, x):
        token = keras.ops.tile(self.token, (keras.ops.shape(x)[0], 1, 1))
        return self.scale(keras.ops.concatenate([token, x], axis=1) + self.positions)


def transformer():
    """Two blocks of attention over patches and a class token, as ViT."""
    image = keras.Input(SIZE)
    x = keras.layers.Conv2D(12, 4, strides=4, name="patches")(image)
    x = ClassToken()(keras.layers.Reshape((16, 12))(x))
    for number in range(2):
        y = keras.layers.LayerNormalization(epsilon=1e-6, name=f"norm_{number}_1")(x)
        y = keras.layers.MultiHeadAttention(3, 4, name=f"attention_{number}")(y, y)
        x = keras.layers.Add()([x, y])
        y = keras.layers.LayerNormalization(epsilon=1e-6, name=f"norm_{number}_2")(x)
        y = keras.layers.Dense(12)(keras.layers.Dense(24, activation="gelu")(y))
        x = keras.layers.Add()([x, y])
    x = keras.layers.LayerNormalization(epsilon=1e-6)(x)
    return keras.Model(image, keras.layers.Dense(5)(x[:, 0]))


SMALL = {"plain": plain, "residual": residual, "inverted": inverted}


def seeded(model):
    """The model with weights that are the same on each backend."""
    rng = np.random.default_rng(0)
    for variable in model.variables:
        values = rng.normal(size=variable.shape)
        if variable.name in ("gamma", "moving_variance"):
            values = np.exp(0.3 * values)
        elif len(variable.shape) > 1:
            values = values * np.sqrt(2 / np.prod(variable.shape[:-1]))
        else:
            values = 0.1 * values
        variable.assign(values.astype(np.float32))
    return model


def images():
    """Two images in network units, (2, 16, 16, 3)."""
    return np.random.default_rng(1).uniform(-1, 1, (2, *SIZE)).astype(np.float32)
