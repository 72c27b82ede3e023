"""Networks and photos that the explorer is tried on, by name."""

import io

import keras
import numpy as np
from keras import layers
from PIL import Image

import attention_networks
import fashion
import networks
import optogram as og

BUDGET = 64 << 20
SIDE = 32


def explorer(name):
    """A running explorer of the network ``name``, with two photos."""
    net, photos = OPENED.get(name, _small(name))()
    return og.explore(net, photos, browser=False, memory=BUDGET)


def png(pixels):
    """``pixels`` as the content of a file."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def photos(side=SIDE, channels=3):
    """Two photos: noise around a bright square at the upper left, or at the lower right."""
    generator = np.random.default_rng(0)
    shape = (side, side + 8) if channels == 1 else (side, side + 8, 3)
    first, second = generator.integers(120, size=(2, *shape), dtype=np.uint8)
    first[2 : side // 2, 2 : side // 2] = 250
    second[side // 2 : -2, side // 2 : -2] = 250
    return [png(first), png(second)]


def _lite0():
    return og.load("efficientnet-lite0"), None


def _fashion():
    """The network of `optogram train`, trained a little on squares in ten places."""
    data = fashion.made(train=256, test=64)
    model = og.training.train(data, epochs=2, batch=64).model
    net = og.Network(model, "none", labels=list(data.classes), origin="fashion.keras")
    return net, [png(data.test_images[0]), png(data.test_images[1])]


def _epochs():
    """The network of `optogram train` after one epoch and after four, of the same seed."""
    data = fashion.made(train=256, test=64)
    nets = [
        og.Network(
            og.training.train(data, epochs=epochs, batch=64).model,
            "none",
            labels=list(data.classes),
            origin=f"epoch{epochs}.keras",
        )
        for epochs in (1, 4)
    ]
    return nets, [png(data.test_images[0]), png(data.test_images[1])]


def _pair():
    """Two different architectures with other classes, input sizes and names of layers."""
    nets = [
        og.Network(networks.build("fused"), "unit", labels=["cat", "dog", "cup", "owl", "fox"]),
        og.Network(networks.build("separate"), "unit", labels=["Dog", "cup", "hen", "owl", "cow"]),
    ]
    return nets, photos()


def _seeded(application, preprocess):
    """A network of keras.applications, on small photos: its weights need not be good."""

    def opened():
        keras.utils.set_random_seed(0)
        model = application(weights=None, input_shape=(64, 64, 3), classes=10)
        return og.Network(model, preprocess), photos()

    return opened


def _two_inputs():
    """A photo and two numbers in; three classes out."""
    keras.utils.set_random_seed(0)
    photo, age = keras.Input((SIDE, SIDE, 3), name="photo"), keras.Input((2,), name="age")
    x = layers.Conv2D(6, 3, activation="relu", name="conv1")(photo)
    x = layers.Conv2D(8, 3, activation="relu", name="conv2")(layers.MaxPooling2D()(x))
    both = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), age])
    answer = layers.Dense(3, activation="softmax", name="species")(both)
    model = keras.Model({"photo": photo, "age": age}, answer)
    return og.Network(model, "unit", input="photo", fixed={"age": [0.2, 0.4]}), photos()


class Code(keras.Model):
    """Code that cannot be traced: the network has no layers to look at."""

    def __init__(self):
        super().__init__(name="code")
        self.dense = layers.Dense(3)

    def call(self, inputs, training=False):
        if keras.utils.is_keras_tensor(inputs):
            raise TypeError("no symbols here")
        return self.dense(keras.ops.mean(inputs, axis=(1, 2)))


def _transformer():
    """A small transformer with a class token."""
    return og.Network(attention_networks.vit(1, "token"), "unit"), photos()


def _opaque():
    model = Code()
    model(np.ones((1, SIDE, SIDE, 3), "float32"))
    return og.Network(model, "unit"), photos()


def _small(name):
    def opened():
        return og.Network(networks.build(name), "unit"), photos()

    return opened


def _kinds():
    """Networks of many kinds in one explorer."""
    return [opened()[0] for opened in KINDS.values()], photos()


KINDS = {
    "lite0": _lite0,
    "vgg16": _seeded(keras.applications.VGG16, "caffe"),
    "densenet121": _seeded(keras.applications.DenseNet121, "torch"),
    "fashion": _fashion,
    "two_inputs": _two_inputs,
    "segmentation": _small("segmentation"),
}
OPENED = {
    **KINDS,
    "epochs": _epochs,
    "pair": _pair,
    "opaque": _opaque,
    "transformer": _transformer,
    "kinds": _kinds,
}
"""And every name of networks.py, such as "fused", "branches", "segmentation"."""
