"""Small networks with every kind of layer, for the tests: ``build(name)`` makes one.

Their weights are random but seeded; batch statistics and biases too, so that no layer is idle.
"""

import keras
import numpy as np
from keras import layers, ops

SIDE = 16
CLASSES = 5


def _end(x, activation="softmax"):
    """A classifier on maps."""
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(CLASSES, activation=activation, name="predictions")(x)


def fused():
    """Every activation inside a layer, as in VGG."""
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1"),
            layers.Conv2D(6, 3, padding="same", activation="tanh", name="conv2"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(6, 3, activation="gelu", name="conv3"),
            layers.Flatten(),
            layers.Dense(8, activation="relu", name="hidden"),
            layers.Dense(CLASSES, activation="softmax", name="predictions"),
        ]
    )


def separate():
    """Every activation a layer of its own, after batch normalization."""
    x = image = keras.Input((SIDE, SIDE, 3))
    rectifiers = [
        layers.ReLU(max_value=6, name="re_lu"),
        layers.LeakyReLU(0.2, name="leaky_re_lu"),
        layers.PReLU(shared_axes=[1, 2], name="p_re_lu"),
        layers.Activation("silu", name="activation"),
        layers.ELU(name="elu"),
    ]
    for i, rectifier in enumerate(rectifiers):
        x = layers.Conv2D(4, 3, padding="same", use_bias=False, name=f"conv{i}")(x)
        x = layers.BatchNormalization()(x)
        x = rectifier(x)
    x = layers.SpatialDropout2D(0.3)(x)
    return keras.Model(image, layers.Softmax(name="softmax")(_end(x, None)))


def activation_layers():
    """Activations that are layers, given to a layer as its own."""
    x = image = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3, activation=layers.LeakyReLU(0.3), name="conv1")(x)
    x = layers.DepthwiseConv2D(3, activation=layers.ReLU(), name="depthwise")(x)
    return keras.Model(image, _end(x, layers.Softmax()))


def depthwise():
    """Depthwise and separable convolutions, as in MobileNet and Xception."""
    x = image = keras.Input((SIDE, SIDE, 3))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="depthwise1")(x)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", activation="relu6", name="dw2")(x)
    x = layers.SeparableConv2D(8, 3, padding="same", activation="relu", name="separable")(x)
    x = layers.Conv2D(8, 3, groups=2, padding="same", activation="relu", name="grouped")(x)
    return keras.Model(image, _end(x))


def strided():
    """Strides with both paddings, on even and odd sizes, and dilation."""
    x = image = keras.Input((SIDE + 1, SIDE, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="same2")(x)
    x = layers.Conv2D(4, 3, dilation_rate=2, padding="same", activation="relu", name="dilated")(x)
    x = layers.Conv2D(4, (2, 3), strides=(1, 2), name="valid")(x)
    return keras.Model(image, _end(x))


def pooled():
    """Poolings, paddings, croppings and upsamplings."""
    x = image = keras.Input((SIDE, SIDE, 3))
    x = layers.ZeroPadding2D(((1, 2), (0, 3)), name="padding")(x)
    x = layers.Conv2D(4, 3, activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="max_same")(x)
    x = layers.UpSampling2D(2, name="nearest")(x)
    x = layers.AveragePooling2D(3, 2, name="average")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear", name="bilinear")(x)
    x = layers.Cropping2D(((1, 0), (2, 1)), name="cropping")(x)
    x = layers.Conv2D(4, 3, activation="relu", name="conv2")(x)
    return keras.Model(image, _end(x))


def transposed():
    """Transposed convolutions with both paddings."""
    x = image = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="down")(x)
    x = layers.Conv2DTranspose(4, 4, 2, padding="same", activation="relu", name="same")(x)
    x = layers.Conv2DTranspose(4, 3, 2, name="valid")(x)
    return keras.Model(image, _end(x))


def branches():
    """Parallel branches with different windows, as in Inception."""
    x = image = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="stem")(x)
    paths = [
        layers.Conv2D(2, size, padding="same", activation="relu", name=f"branch{size}")(x)
        for size in (1, 3, 5)
    ]
    paths.append(layers.MaxPooling2D(3, 1, padding="same", name="branch_pool")(x))
    x = layers.Concatenate(name="mixed")(paths)
    return keras.Model(image, _end(layers.Conv2D(4, 3, activation="relu", name="last")(x)))


def skips():
    """Residual blocks with pre-activation, as in ResNet V2, and channel attention."""
    x = image = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(6, 3, padding="same", name="stem")(x)
    for i in range(2):
        y = layers.BatchNormalization(name=f"block{i}_norm")(x)
        y = layers.ReLU(name=f"block{i}_relu")(y)
        y = layers.Conv2D(6, 3, padding="same", name=f"block{i}_conv")(y)
        weight = layers.GlobalAveragePooling2D(keepdims=True, name=f"block{i}_squeeze")(y)
        weight = layers.Conv2D(6, 1, activation="sigmoid", name=f"block{i}_excite")(weight)
        y = layers.Multiply(name=f"block{i}_scale")([y, weight])
        x = layers.Add(name=f"block{i}_add")([x, y])
    return keras.Model(image, _end(x))


def _base(name="base", channels=3, side=SIDE):
    x = image = keras.Input((side, side, channels))
    x = layers.Conv2D(4, 3, padding="same", name="conv1")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    return keras.Model(image, layers.Dropout(0.5, name="dropout")(x), name=name)


def transfer():
    """Transfer learning: a base called with ``training=False`` behind a rescaling."""
    image = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(image)
    x = _base()(x, training=False)
    x = layers.Conv2D(4, 3, activation="relu", name="top_conv")(x)
    return keras.Model(image, _end(x))


def nested():
    """A functional model in a Sequential in a functional model, layers of the same name inside."""
    image = keras.Input((SIDE, SIDE, 3))
    inner = keras.Sequential(
        [_base("inner"), layers.Conv2D(3, 3, padding="same", name="conv1")], name="middle"
    )
    x = _base("outer")(inner(image))
    return keras.Model(image, _end(layers.Conv2D(4, 3, name="conv1")(x)))


def in_training():
    """A nested model called with ``training=True``: batch statistics and dropout at work."""
    image = keras.Input((SIDE, SIDE, 3))
    x = _base()(image, training=True)
    return keras.Model(image, _end(layers.Conv2D(4, 3, name="top_conv")(x)))


def shared_layer():
    """One layer used three times."""
    x = image = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 1, name="stem")(x)
    again = layers.Conv2D(4, 3, padding="same", activation="relu", name="again")
    return keras.Model(image, _end(again(again(again(x)))))


def shared_model():
    """One nested model used twice."""
    image = keras.Input((SIDE, SIDE, 3))
    base = _base()
    x = layers.Concatenate(name="both")([base(image), base(layers.Rescaling(0.5)(image))])
    return keras.Model(image, _end(layers.Conv2D(4, 3, activation="relu", name="top_conv")(x)))


def operations():
    """Operations in place of layers, the softmax too."""
    image = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3, name="conv1")(image * 2 - 1)
    x = ops.relu(x)
    first, second = ops.split(x, 2, axis=-1)
    x = layers.Conv2D(4, 3, name="conv2")(ops.concatenate([first * second, -first], axis=-1))
    x = ops.mean(ops.leaky_relu(x, 0.1), axis=(1, 2))
    return keras.Model(image, ops.softmax(layers.Dense(CLASSES, name="logits")(x)))


def converted():
    """Nested models that change what they are given: its type, its rank."""
    image = keras.Input((SIDE, SIDE, 3))
    half = keras.Input((SIDE, SIDE, 3), dtype="float16")
    half = keras.Model(half, layers.Conv2D(1, 3, padding="same", name="conv1")(half), name="half")
    flat = keras.Input((SIDE, SIDE))
    flat = keras.Model(flat, layers.Rescaling(3.0, offset=1, name="rescaling")(flat), name="flat")
    x = layers.Flatten()(layers.Reshape((SIDE, SIDE, 1))(flat(half(image))))
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="predictions")(x))


def masked():
    """Rows of the image as a sequence, empty ones masked, also in a nested model that gets them."""
    rows = x = keras.Input((SIDE, SIDE))
    x = layers.Dense(6, activation="relu", name="rows")(x)
    nested = keras.Model(rows, layers.GlobalAveragePooling1D(name="average")(x), name="nested")
    image = keras.Input((SIDE, SIDE, 1))
    x = layers.Reshape((SIDE, SIDE))(image)
    x = nested(layers.Masking(name="masking")(x))
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="predictions")(x))


def part_of_a_model():
    """A model made from the middle of another one."""
    whole = fused()
    return keras.Model(whole.layers[0].output, whole.get_layer("predictions").output)


def binary():
    """A single sigmoid output, on gray images that are not square."""
    x = image = keras.Input((SIDE, SIDE + 4, 1))
    x = layers.Conv2D(4, 3, activation="relu", name="conv1")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(1, activation="sigmoid", name="answer")(x))


def regression():
    """A single linear output."""
    x = image = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv1")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(1, name="amount")(x))


def linear():
    """Logits and no softmax."""
    x = image = keras.Input((SIDE, SIDE, 3))
    return keras.Model(image, _end(layers.Conv2D(4, 3, activation="relu", name="conv1")(x), None))


def any_size():
    """Images of any size, upsampled and merged on the way."""
    x = image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="conv1")(x)
    y = layers.MaxPooling2D(3, 1, padding="same", name="pool")(x)
    x = layers.Concatenate(name="both")([x, y * 2])
    x = layers.UpSampling2D(2, name="up")(_in_any_size()(x))
    return keras.Model(image, _end(layers.Conv2D(4, 3, activation="relu", name="last")(x)))


def _in_any_size():
    x = maps = keras.Input((None, None, 8))
    return keras.Model(maps, layers.Conv2D(4, 3, activation="relu", name="conv")(x), name="inner")


def segmentation():
    """A class for every pixel."""
    x = image = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(x)
    return keras.Model(image, layers.Conv2D(3, 1, activation="softmax", name="classes")(x))


def everything():
    """Most kinds of layers in one classifier without nesting; methods are compared on it."""
    image = keras.Input((24, 24, 3))
    x = layers.Rescaling(2.0, offset=-1, name="rescaling")(image)
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="fused")(x)
    x = layers.ZeroPadding2D(1, name="padding")(x)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.LeakyReLU(0.1, name="leaky")(x)
    y = layers.SeparableConv2D(6, 3, padding="same", activation="silu", name="separable")(x)
    x = layers.Add(name="add")([x, y])
    y = layers.Conv2D(6, 3, dilation_rate=2, padding="same", name="dilated")(x)
    x = layers.Concatenate(name="concat")([x, layers.MaxPooling2D(3, 1, "same", name="pool")(y)])
    x = layers.AveragePooling2D(2, name="average")(x)
    x = layers.Conv2DTranspose(6, 3, 2, padding="same", activation="tanh", name="transposed")(x)
    x = layers.UpSampling2D(2, name="up")(x)
    x = layers.Conv2D(8, 3, strides=3, name="plain")(x)
    x = layers.PReLU(shared_axes=[1, 2], name="prelu")(x)
    x = layers.SpatialDropout2D(0.2, name="dropout")(x * 1.5)
    return keras.Model(image, _end(x), name="everything")


BUILDERS = {
    builder.__name__: builder
    for builder in (
        fused,
        separate,
        activation_layers,
        depthwise,
        strided,
        pooled,
        transposed,
        branches,
        skips,
        transfer,
        nested,
        in_training,
        shared_layer,
        shared_model,
        operations,
        converted,
        masked,
        part_of_a_model,
        binary,
        regression,
        linear,
        any_size,
        segmentation,
        everything,
    )
}


def build(name, seed=0):
    """The network called ``name`` with seeded weights; each layer does something."""
    keras.utils.set_random_seed(seed)
    model = BUILDERS[name]()
    fill(model, seed)
    return model


def fill(model, seed=0):
    """Give biases, slopes and batch statistics, which start as constants, seeded values."""
    rng = np.random.default_rng(seed)
    low_high = {
        "bias": (-0.2, 0.2),
        "beta": (-0.2, 0.2),
        "moving_mean": (-0.2, 0.2),
        "gamma": (0.5, 1.5),
        "moving_variance": (0.5, 1.5),
        "alpha": (0.1, 0.4),
    }
    for weight in model.weights:
        if weight.name in low_high:
            weight.assign(rng.uniform(*low_high[weight.name], weight.shape).astype("float32"))


def images_for(model, count=2, seed=0, size=(SIDE, SIDE + 2)):
    """A batch in 0..1 that ``model`` takes, float32; ``size`` counts where it takes any."""
    _, height, width, channels = model.input_shape
    shape = (count, height or size[0], width or size[1], channels)
    return np.random.default_rng(seed).uniform(0, 1, shape).astype("float32")
