"""The kinds of models that people have, and every method tried on each: works, or says why not.

``try_all(kind)`` fills one row of the table that ``docs/models.py`` writes; ``test_kinds.py`` holds
what each cell must say.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers, ops

import networks
import optogram as og

SIDE = networks.SIDE
CLASSES = networks.CLASSES


@dataclass(frozen=True)
class Kind:
    """One kind of model.

    ``opening`` is handed to `optogram.Network`, ``target`` to every method, ``at`` is a layer whose
    filters are maximized and whose kernels are shown, ``answer`` calls the model itself.
    """

    title: str
    build: Callable[[], keras.Model]
    opening: Mapping[str, Any] = field(default_factory=dict)
    target: Any = None
    at: str = "conv"
    answer: Callable[[keras.Model, np.ndarray], Any] = lambda model, x: model(x)

    def open(self) -> og.Network:
        """The opened network, with seeded weights."""
        keras.utils.set_random_seed(0)
        model = self.build()
        networks.fill(model)
        return og.Network(model, **{"preprocess": "unit", **self.opening})


def conv(x, filters=4, name="conv", **more):
    return layers.Conv2D(filters, 3, padding="same", activation="relu", name=name, **more)(x)


def end(x, units=CLASSES, activation="softmax", name="answer"):
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(units, activation=activation, name=name)(x)


def base(name="base"):
    image = keras.Input((None, None, 3))
    x = layers.BatchNormalization()(conv(image))
    return keras.Model(image, layers.Dropout(0.5)(x), name=name)


def picture(channels=3, **more):
    return keras.Input((SIDE, SIDE, channels), name="picture", **more)


# -- how they are put together ---------------------------------------------------------------------


def transfer():
    image = picture()
    x = base()(layers.Rescaling(2.0, offset=-1)(image), training=False)
    return keras.Model(image, end(x))


def nested_twice():
    image = picture()
    middle = keras.Sequential([keras.Input((SIDE, SIDE, 3)), base()], name="middle")
    outer = keras.Model(middle.inputs[0], middle.outputs[0], name="outer")
    return keras.Model(image, end(outer(image)))


def shared_backbone():
    image, eyes = picture(), base()
    x = layers.Concatenate()([eyes(image), eyes(layers.Rescaling(0.5)(image))])
    return keras.Model(image, end(x))


def several_inputs():
    image, age = picture(), keras.Input((2,), name="age")
    x = layers.GlobalAveragePooling2D()(conv(image))
    x = layers.Concatenate()([x, layers.Dense(3, activation="relu")(age)])
    return keras.Model([age, image], layers.Dense(CLASSES, activation="softmax")(x))


def two_pictures():
    left = keras.Input((SIDE, SIDE, 3), name="left")
    right = keras.Input((SIDE, SIDE, 3), name="right")
    eyes = base()
    x = layers.Subtract()([eyes(left), eyes(right)])
    return keras.Model([left, right], end(x, 1, "sigmoid"))


def several_outputs():
    image = picture()
    x = conv(image)
    box = layers.Dense(4, name="box")(layers.Flatten()(x))
    return keras.Model(image, [box, end(x)])


def dictionaries():
    image, age = picture(), keras.Input((2,), name="age")
    x = conv(image)
    y = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), age])
    outputs = {"species": end(x), "weight": layers.Dense(1)(y)}
    return keras.Model({"picture": image, "age": age}, outputs)


def never_called_sequential():
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    return keras.Sequential.from_config(model.get_config())


def rescaling():
    image = picture()
    return keras.Model(image, end(conv(layers.Rescaling(1 / 127.5, offset=-1)(image))))


def normalization():
    image = picture()
    normalize = layers.Normalization(mean=[0.5, 0.4, 0.3], variance=[0.1, 0.1, 0.2])
    return keras.Model(image, end(conv(normalize(image))))


def preparation_in_operations():
    image = picture()
    x = keras.applications.vgg16.preprocess_input(image)  # channels reversed, a mean subtracted
    return keras.Model(image, end(conv(x / 64)))


def ensemble():
    image, means = picture(), []
    for number in (1, 2):
        x = conv(image, name="conv" if number == 1 else "other")
        means.append(end(x, name=f"answer{number}"))
    return keras.Model(image, layers.Average()(means))


def resizing():
    image = picture()
    return keras.Model(image, end(conv(layers.Resizing(12, 10)(image))))


def augmentation():
    image = picture()
    x = layers.RandomFlip()(image)
    x = layers.RandomRotation(0.2)(x)
    x = layers.RandomZoom(0.2)(x)
    return keras.Model(image, end(conv(layers.RandomContrast(0.2)(x))))


def augmented():
    """Every way in which augmentation and noise are put into a model."""
    image = picture()
    block = keras.Sequential([layers.RandomFlip(), layers.RandomBrightness(0.2)])
    x = layers.Pipeline([layers.RandomTranslation(0.1, 0.1), layers.RandomErasing()])(block(image))
    x = layers.GaussianNoise(0.1)(layers.RandomCrop(12, 12)(x))
    x = layers.SpatialDropout2D(0.2)(conv(x))
    return keras.Model(image, end(layers.Dropout(0.5)(x)))


def layer_activations():
    """Activations that are layers, fused into others: they mix rows, columns, or nothing."""
    image = picture()
    x = layers.Conv2D(4, 3, activation=layers.GroupNormalization(2), name="conv")(image)
    x = layers.DepthwiseConv2D(3, activation=layers.PReLU(), name="depthwise")(x)
    x = layers.Activation(layers.Softmax(axis=1))(x)
    x = layers.Conv2D(4, 3, activation=layers.LeakyReLU(), name="last")(x)
    model = keras.Model(image, end(x))
    model(np.zeros((1, SIDE, SIDE, 3), "float32"))  # builds them, as training does
    return model


def operations():
    image = picture()
    x = ops.relu(layers.Conv2D(4, 3, padding="same", name="conv")(image * 2 - 1))
    x = ops.mean(ops.concatenate([x, -x], axis=-1), axis=(1, 2))
    return keras.Model(image, ops.softmax(layers.Dense(CLASSES)(x)))


def squeeze_and_excite():
    image = picture()
    x = conv(image)
    weight = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weight = layers.Conv2D(2, 1, activation="relu")(weight)
    weight = layers.Conv2D(4, 1, activation="sigmoid")(weight)
    return keras.Model(image, end(layers.Multiply()([x, weight])))


def attention():
    image = picture()
    x = layers.MaxPooling2D(4)(conv(image))
    tokens = layers.Reshape((16, 4))(x)
    tokens = layers.Add()([tokens, layers.MultiHeadAttention(2, 4)(tokens, tokens)])
    x = layers.Reshape((4, 4, 4))(layers.LayerNormalization()(tokens))
    return keras.Model(image, end(conv(x, name="last")))


def baked_training():
    image = picture()
    x = base()(layers.GaussianNoise(0.3)(image, training=True), training=True)
    return keras.Model(image, end(layers.Dropout(0.5)(conv(x, name="last"), training=True)))


class InTraining(layers.Layer):
    """Normalizes in training mode, whoever calls it."""

    def __init__(self, **more):
        super().__init__(**more)
        self.norm = layers.BatchNormalization()

    def build(self, shape):
        self.norm.build(shape)

    def call(self, x):
        return self.norm(x, training=True)


def training_in_code():
    image = picture()
    return keras.Model(image, end(conv(InTraining()(conv(image)), name="last")))


# -- what goes in ----------------------------------------------------------------------------------


def one_channel():
    image = picture(1)
    return keras.Model(image, end(conv(image)))


def many_channels():
    image = picture(13)
    return keras.Model(image, end(conv(image)))


def channels_first():
    image = keras.Input((3, SIDE, SIDE + 2), name="picture")
    turned = {"data_format": "channels_first"}
    x = layers.Conv2D(4, 3, padding="same", name="conv", **turned)(image)
    x = layers.ReLU()(layers.BatchNormalization(axis=1)(x))
    y = layers.DepthwiseConv2D(3, padding="same", **turned)(x)
    x = layers.Concatenate(axis=1)([x, layers.MaxPooling2D(3, 1, "same", **turned)(y)])
    x = layers.Conv2D(4, 3, strides=2, activation="relu", name="last", **turned)(x * 1.5)
    x = layers.Flatten()(layers.AveragePooling2D(2, **turned)(x))
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x))


# -- types of numbers ------------------------------------------------------------------------------


def in_policy(policy):
    def build():
        kept = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            image = picture()
            x = layers.BatchNormalization()(conv(image))
            return keras.Model(image, end(conv(x, name="last")))
        finally:
            keras.config.set_dtype_policy(kept)

    return build


def quantized():
    image = picture()
    x = layers.Flatten()(layers.MaxPooling2D(4)(conv(image)))
    x = layers.Dense(16, activation="relu")(x)
    model = keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x))
    model.quantize("int8")
    return model


# -- convolutions ----------------------------------------------------------------------------------


def after(make):
    """A classifier behind the convolution that ``make`` returns."""

    def build():
        image = picture()
        x = make()(layers.Conv2D(4, 1, name="stem")(image))
        return keras.Model(image, end(conv(x, name="last")))

    return build


# -- how they end ----------------------------------------------------------------------------------


def headed(*, units=CLASSES, activation="softmax"):
    def build():
        image = picture()
        return keras.Model(image, end(conv(image), units, activation))

    return build


def map_of_one():
    image = picture()
    x = layers.GlobalAveragePooling2D(keepdims=True)(conv(image))
    return keras.Model(image, layers.Conv2D(CLASSES, 1, activation="softmax", name="answer")(x))


def segmentation():
    image = picture()
    x = layers.UpSampling2D(2)(conv(layers.MaxPooling2D(2)(conv(image)), name="inner"))
    classes = layers.Conv2D(3, 1, activation="softmax", name="classes")(x)
    return keras.Model(image, classes, name="segmentation")


# -- subclassed ------------------------------------------------------------------------------------


class OfLayers(keras.Model):
    """A ``call`` of layers and operations, which can be followed."""

    def __init__(self):
        super().__init__(name="of_layers")
        self.eyes = layers.Conv2D(4, 3, activation="relu", name="conv")
        self.average = layers.GlobalAveragePooling2D()
        self.answer = layers.Dense(CLASSES, activation="softmax")

    def call(self, images, training=False):
        x = ops.relu(self.eyes(images * 2 - 1))
        return self.answer(self.average(x))


class OfCode(OfLayers):
    """A ``call`` that asks for numbers, which symbols do not have."""

    def call(self, images, training=False):
        if keras.utils.is_keras_tensor(images):
            raise TypeError("no symbols here")
        return super().call(images)


class Several(OfLayers):
    """Takes a dictionary, and returns one inside another."""

    def __init__(self):
        super().__init__()
        self.join = layers.Concatenate()
        self.weight = layers.Dense(1, name="weight")

    def call(self, inputs, training=False):
        x = self.average(self.eyes(inputs["picture"]))
        x = self.join([x, inputs["age"]])
        return {"heads": {"species": self.answer(x), "weight": self.weight(x)}}


def of_age(images):
    return {"picture": images, "age": np.array([[0.3, 0.5]] * len(images), "float32")}


def called(kind, inputs=None):
    def build():
        model = kind()
        images = np.zeros((1, SIDE, SIDE, 3), "float32")
        model(images if inputs is None else inputs(images))
        return model

    return build


KINDS = (
    Kind("transfer learning: `base(x, training=False)`", transfer),
    Kind("nested twice: functional in Sequential in functional", nested_twice),
    Kind("shared backbone", shared_backbone),
    Kind(
        "several inputs",
        several_inputs,
        {"fixed": {"age": [0.3, 0.5]}},
        answer=lambda model, x: model([np.array([[0.3, 0.5]], "float32"), x]),
    ),
    Kind(
        "two pictures",
        two_pictures,
        {"input": "left", "fixed": {"right": 0.5}},
        answer=lambda model, x: model([x, np.full_like(x, 0.5)]),
    ),
    Kind(
        "several outputs",
        several_outputs,
        {"output": "answer"},
        answer=lambda model, x: model(x)[1],
    ),
    Kind(
        "dictionaries in and out",
        dictionaries,
        {"input": "picture", "output": "species"},
        answer=lambda model, x: model({"picture": x, "age": np.ones((1, 2), "float32")})["species"],
    ),
    Kind("Sequential out of a configuration, never called", never_called_sequential),
    Kind("Rescaling inside", rescaling, {"preprocess": "none"}),
    Kind("Normalization inside", normalization),
    Kind("preparation inside, by operations", preparation_in_operations, {"preprocess": None}),
    Kind("Resizing inside", resizing),
    Kind("augmentation inside", augmentation, answer=lambda model, x: model(x, training=False)),
    Kind(
        "augmentation and noise in every place",
        augmented,
        answer=lambda model, x: model(x, training=False),
    ),
    Kind("layers as activations", layer_activations),
    Kind(
        "training mode asked for: `base(x, training=True)`",
        baked_training,
        answer=lambda model, x: model(x, training=False),
    ),
    Kind("batch normalization in training mode inside a custom layer", training_in_code),
    Kind("operations in place of layers", operations),
    Kind("squeeze and excite", squeeze_and_excite),
    Kind("attention", attention),
    Kind("one channel", one_channel),
    Kind("13 channels", many_channels),
    Kind(
        "channels first",
        channels_first,
        answer=lambda model, x: model(x.transpose(0, 3, 1, 2)),
    ),
    Kind("float16", in_policy("float16")),
    Kind("bfloat16", in_policy("bfloat16")),
    Kind("mixed float16", in_policy("mixed_float16")),
    Kind("mixed bfloat16", in_policy("mixed_bfloat16")),
    Kind("float64", in_policy("float64")),
    Kind("dense layers in int8", quantized),
    Kind("dilated convolution", after(lambda: layers.Conv2D(4, 3, dilation_rate=2, name="conv"))),
    Kind("grouped convolution", after(lambda: layers.Conv2D(4, 3, groups=2, name="conv"))),
    Kind("depthwise convolution", after(lambda: layers.DepthwiseConv2D(3, name="conv"))),
    Kind("separable convolution", after(lambda: layers.SeparableConv2D(4, 3, name="conv"))),
    Kind("transposed convolution", after(lambda: layers.Conv2DTranspose(4, 3, 2, name="conv"))),
    Kind("classes on a map of 1×1", map_of_one),
    Kind("softmax", headed()),
    Kind("ensemble: the mean of two softmaxes", ensemble),
    Kind("one sigmoid", headed(units=1, activation="sigmoid")),
    Kind("several labels", headed(activation="sigmoid")),
    Kind("regression", headed(units=1, activation=None)),
    Kind("segmentation", segmentation, target=og.Class(2, region=(4, 4, 12, 12))),
    Kind("subclassed, of layers and operations", called(OfLayers)),
    Kind("subclassed, of other code", called(OfCode)),
    Kind(
        "subclassed, several inputs and outputs",
        called(Several, of_age),
        {"fixed": {"age": [0.3, 0.5]}, "output": "heads.species"},
        answer=lambda model, x: model(of_age(x))["heads"]["species"],
    ),
)


def photo(net):
    """A picture that the network takes, (H, W, C) in 0..255."""
    height, width = net.nominal_size
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (height, width, net.channels)).astype("uint8")


def maximized(net, target):
    """By a recipe that takes the network as it is, then by one that redirects the rectifier."""
    og.maximize(net, target, "tutorial", steps=2)
    return og.maximize(net, target, "fast", steps=2)


METHODS: dict[str, Callable[[og.Network, np.ndarray, Kind], Any]] = {
    "predict": lambda net, image, kind: net.predict(image, top=1),
    "feature_maps": lambda net, image, kind: og.feature_maps(net, image),
    "kernels": lambda net, image, kind: og.kernels(net, kind.at),
    "saliency": lambda net, image, kind: og.saliency(net, image, kind.target),
    "guided_backprop": lambda net, image, kind: og.guided_backprop(net, image, kind.target),
    "smoothgrad": lambda net, image, kind: og.smoothgrad(net, image, kind.target, samples=2),
    "integrated_gradients": lambda net, image, kind: og.integrated_gradients(
        net, image, kind.target, points=4
    ),
    "gradcam": lambda net, image, kind: og.gradcam(net, image, kind.target),
    "gradcam_plus_plus": lambda net, image, kind: og.gradcam_plus_plus(net, image, kind.target),
    "layercam": lambda net, image, kind: og.layercam(net, image, kind.target),
    "scorecam": lambda net, image, kind: og.scorecam(net, image, kind.target),
    "guided_gradcam": lambda net, image, kind: og.guided_gradcam(net, image, kind.target),
    "occlusion": lambda net, image, kind: og.occlusion(net, image, kind.target, patch=8),
    "intervene": lambda net, image, kind: og.intervene(
        net, image, {og.Filter(kind.at, 1): og.Change(scale=2.0)}, kind.target
    ),
    "maximize, class": lambda net, image, kind: og.maximize(
        net, kind.target or 0, "tutorial", steps=2
    ),
    "maximize, filter": lambda net, image, kind: maximized(net, og.Filter(kind.at, [0, 1])),
    "check": lambda net, image, kind: og.check(og.saliency(net, image, kind.target), steps=2),
    "strongest_images": lambda net, image, kind: og.strongest_images(
        net, kind.at, [image, image[::-1]], top=1
    ),
}


def try_method(method: str, kind: Kind, net: og.Network) -> str:
    """What one method says of one kind of model: "works", or its refusal.

    Anything but an answer of finite numbers or an `OptogramError` is raised.
    """
    try:
        found = METHODS[method](net, photo(net), kind)
    except og.OptogramError as refusal:
        return str(refusal)
    for one in found.values() if isinstance(found, dict) else [found]:
        if isinstance(one, og.Result):
            assert one.values.size and np.isfinite(one.values).all(), (kind.title, method)
            assert one.values.any() or method != "saliency", kind.title
    assert found, (kind.title, method)
    return "works"
