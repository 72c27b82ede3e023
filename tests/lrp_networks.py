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
