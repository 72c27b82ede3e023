"""Ways in which classifiers end, as functions of their features: ``build(ending, classes, form)``.

Each is a way to make probabilities, but for those of ``NUMBERS``, which make numbers.
"""

import keras
import numpy as np
from keras import layers, ops

SIDE = 10


def dense(x, n, activation=None, **more):
    return layers.Dense(n, activation=activation, kernel_initializer="glorot_normal", **more)(x)


def soft(x, n):
    return dense(x, n, "softmax")


def sig(x, n):
    return dense(x, n, "sigmoid")


def by_hand(z):
    raised = ops.exp(z - ops.max(z, axis=-1, keepdims=True))
    return raised / ops.sum(raised, axis=-1, keepdims=True)


def maps(x, n, activation="softmax", side=1):
    """Classes at each place of a map."""
    x = layers.Dense(side * side * 4)(x)
    return layers.Conv2D(n, 1, activation=activation)(layers.Reshape((side, side, 4))(x))


def each(x, n):
    """A head of its own for each class."""
    heads = [sig(x, 1) for _ in range(n)]
    return layers.Concatenate()(heads) if n > 1 else heads[0]


@keras.saving.register_keras_serializable("tests")
class Tempered(layers.Layer):
    """Somebody's own softmax, without weights."""

    def call(self, z):
        return by_hand(z / 2)


@keras.saving.register_keras_serializable("tests")
class Ended(layers.Layer):
    """Somebody's own last layer, which cannot be followed."""

    def __init__(self, n):
        super().__init__()
        self.n, self.inner = n, layers.Dense(n, activation="softmax" if n > 1 else "sigmoid")

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        if keras.utils.is_keras_tensor(x):
            raise TypeError("no symbols here")
        return self.inner(x)

    def compute_output_spec(self, x):
        return keras.KerasTensor((x.shape[0], self.n), x.dtype)


def own_softmax(z):
    return ops.softmax(z)


SOFTMAXES = {
    "fused": soft,
    "Activation": lambda x, n: layers.Activation("softmax")(dense(x, n)),
    "layer": lambda x, n: layers.Softmax()(dense(x, n)),
    "layer fused": lambda x, n: dense(x, n, layers.Softmax()),
    "operation": lambda x, n: ops.softmax(dense(x, n)),
    "own function": lambda x, n: dense(x, n, own_softmax),
    "average of two": lambda x, n: layers.Average()([soft(x, n), soft(x, n)]),
    "weighted average": lambda x, n: 0.3 * soft(x, n) + 0.7 * soft(x, n),
    "mean of a stack": lambda x, n: ops.mean(ops.stack([soft(x, n), soft(x, n)]), axis=0),
    "geometric mean": lambda x, n: by_hand(ops.log(soft(x, n)) + ops.log(soft(x, n))),
    "Reshape": lambda x, n: layers.Reshape((n,))(layers.Reshape((1, n))(soft(x, n))),
    "Flatten": lambda x, n: layers.Flatten()(soft(x, n)),
    "map, Flatten": lambda x, n: layers.Flatten()(maps(x, n)),
    "map, pooled": lambda x, n: layers.GlobalAveragePooling2D()(maps(x, n)),
    "map, largest": lambda x, n: layers.GlobalMaxPooling2D()(maps(x, n)),
    "map, mean": lambda x, n: ops.mean(maps(x, n), axis=(1, 2)),
    "map of 1×1": maps,
    "places averaged": lambda x, n: layers.GlobalAveragePooling2D()(maps(x, n, side=3)),
    "squeezed": lambda x, n: ops.squeeze(ops.expand_dims(soft(x, n), 1), 1),
    "cast": lambda x, n: ops.cast(ops.cast(soft(x, n), "float16"), "float32"),
    "float16": lambda x, n: ops.cast(soft(x, n), "float16"),
    "last layer in float16": lambda x, n: dense(x, n, "softmax", dtype="float16"),
    "logits in bfloat16": lambda x, n: ops.softmax(ops.cast(dense(x, n), "bfloat16")),
    "clip": lambda x, n: ops.clip(soft(x, n), 0, 1),
    "clip of Keras": lambda x, n: ops.clip(soft(x, n), 1e-7, 1 - 1e-7),
    "narrow clip": lambda x, n: ops.clip(soft(x, n), 0.05, 0.95),
    "× 1.0": lambda x, n: soft(x, n) * 1.0,
    "relu": lambda x, n: ops.relu(soft(x, n)),
    "Dropout": lambda x, n: layers.Dropout(0.5)(soft(x, n)),
    "Identity": lambda x, n: layers.Identity()(soft(x, n)),
    "linear": lambda x, n: layers.Activation("linear")(soft(x, n)),
    "clip, Reshape, cast": lambda x, n: ops.cast(
        layers.Reshape((1, 1, n))(ops.clip(soft(x, n), 0, 1)), "float32"
    ),
    "renormalized": lambda x, n: (lambda p: p / ops.sum(p, -1, keepdims=True))(
        ops.clip(soft(x, n), 1e-6, 1)
    ),
    "smoothed": lambda x, n: 0.9 * soft(x, n) + 0.1 / n,
    "by hand": lambda x, n: by_hand(dense(x, n)),
    "by hand, plainly": lambda x, n: (lambda e: e / ops.sum(e, axis=-1, keepdims=True))(
        ops.exp(dense(x, n))
    ),
    "exp of log_softmax": lambda x, n: ops.exp(ops.log_softmax(dense(x, n))),
    "temperature": lambda x, n: ops.softmax(dense(x, n) / 2),
    "own layer": lambda x, n: Tempered()(dense(x, n)),
    "own last layer": lambda x, n: Ended(n)(x),
    "softmax of softmax": lambda x, n: ops.softmax(soft(x, n)),
    "sparsemax": lambda x, n: dense(x, n, "sparsemax"),
    "shares": lambda x, n: (lambda e: e / ops.sum(e, axis=-1, keepdims=True))(
        ops.softplus(dense(x, n))
    ),
    "no and yes": lambda x, n: (lambda p: ops.concatenate([1 - p, p], axis=-1))(sig(x, 1)),
    "flipped": lambda x, n: ops.flip(soft(x, n), axis=-1),
    "permuted": lambda x, n: layers.Reshape((n,))(
        layers.Permute((2, 1))(layers.Reshape((1, n))(soft(x, n)))
    ),
    "trailing axis": lambda x, n: ops.expand_dims(soft(x, n), -1),
}
SIGMOIDS = {
    "fused": sig,
    "Activation": lambda x, n: layers.Activation("sigmoid")(dense(x, n)),
    "operation": lambda x, n: ops.sigmoid(dense(x, n)),
    "heads concatenated": each,
    "average of two": lambda x, n: layers.Average()([sig(x, n), sig(x, n)]),
    "product": lambda x, n: layers.Multiply()([sig(x, n), sig(x, n)]),
    "largest": lambda x, n: layers.Maximum()([sig(x, n), sig(x, n)]),
    "complement": lambda x, n: 1 - sig(x, n),
    "clip": lambda x, n: ops.clip(sig(x, n), 0, 1),
    "narrow clip": lambda x, n: ops.clip(sig(x, n), 0.1, 0.9),
    "× 1.0": lambda x, n: sig(x, n) * 1.0,
    "Reshape": lambda x, n: layers.Reshape((1, n))(sig(x, n)),
    "map, largest": lambda x, n: layers.GlobalMaxPooling2D()(maps(x, n, "sigmoid", 3)),
    "map, averaged": lambda x, n: layers.GlobalAveragePooling2D()(maps(x, n, "sigmoid", 3)),
    "cast": lambda x, n: ops.cast(sig(x, n), "float16"),
    "float16": lambda x, n: dense(x, n, "sigmoid", dtype="float16"),
    "by hand": lambda x, n: 1 / (1 + ops.exp(-dense(x, n))),
    "of tanh": lambda x, n: 0.5 * (ops.tanh(dense(x, n) / 2) + 1),
    "tanh moved": lambda x, n: (dense(x, n, "tanh") + 1) / 2,
    "hard_sigmoid": lambda x, n: dense(x, n, "hard_sigmoid"),
    "hard_sigmoid layer": lambda x, n: layers.Activation("hard_sigmoid")(dense(x, n)),
    "clipped line": lambda x, n: ops.clip(dense(x, n) + 0.5, 0, 1),
    "minimum and maximum": lambda x, n: ops.minimum(ops.maximum(dense(x, n), 0), 1),
    "1 − exp(−relu)": lambda x, n: 1 - ops.exp(-ops.relu(dense(x, n))),
    "exp(−square)": lambda x, n: ops.exp(-ops.square(dense(x, n))),
}
NUMBERS = {
    "fused": dense,
    "relu": lambda x, n: dense(x, n, "relu"),
    "leaky": lambda x, n: layers.LeakyReLU()(dense(x, n)),
    "BatchNormalization": lambda x, n: layers.BatchNormalization()(dense(x, n)),
    "sum": lambda x, n: layers.Add()([dense(x, n), dense(x, n)]),
    "gated": lambda x, n: layers.Multiply()([dense(x, n), sig(x, n)]),
    "map, pooled": lambda x, n: layers.GlobalAveragePooling2D()(maps(x, n, None, 3)),
    "small": lambda x, n: 1e-3 * dense(x, n) + 0.5,
    "softplus": lambda x, n: ops.softplus(dense(x, n)),
    "tanh": lambda x, n: dense(x, n, "tanh"),
    "relu6": lambda x, n: ops.relu6(dense(x, n)),
    "log_softmax": lambda x, n: ops.log_softmax(dense(x, n)) if n > 1 else dense(x, n),
    "normalized": lambda x, n: layers.LayerNormalization()(dense(x, n)) if n > 1 else dense(x, n),
    "ratio": lambda x, n: ops.square(dense(x, n)) / (1 + ops.square(dense(x, n))),
}
KINDS = {"softmax": SOFTMAXES, "sigmoid": SIGMOIDS, "linear": NUMBERS}
FORMS = ("functional", "nested", "in a Sequential", "subclassed", "one of two outputs")


class Subclassed(keras.Model):
    """A model whose call is its features and its ending."""

    def __init__(self, features, ending):
        super().__init__(name="subclassed")
        self.features, self.ending = features, ending

    def call(self, images):
        return self.ending(self.features(images))


def build(kind, name, classes, form="functional"):
    """A classifier of images (10, 10, 3) with seeded weights."""
    keras.utils.set_random_seed(0)
    image, x = keras.Input((SIDE, SIDE, 3)), keras.Input((6,))
    seen = layers.Conv2D(6, 3, activation="relu", name="conv")(image - 0.5)
    features = keras.Model(image, layers.GlobalAveragePooling2D()(seen), name="features")
    ending = KINDS[kind][name]
    if form == "functional":
        answer = ending(features(image), classes)
        model = keras.Model(image, answer)
        return seeded(model)
    answer = ending(x, classes)
    tail = keras.Model(x, answer, name="tail")
    if form == "nested":
        model = keras.Model(image, tail(features(image)))
    elif form == "in a Sequential":
        model = keras.Sequential([keras.Input((SIDE, SIDE, 3)), features, tail])
    elif form == "subclassed":
        model = Subclassed(features, tail)
        model(np.zeros((1, SIDE, SIDE, 3), "float32"))
    else:
        seen = features(image)
        outputs = {"other": layers.Dense(2)(seen), "answer": tail(seen)}
        model = keras.Model(image, outputs)
    return seeded(model)


def seeded(model):
    """Weights that make answers differ from image to image."""
    rng = np.random.default_rng(1)
    model.set_weights(
        [
            np.abs(rng.normal(0, 1, w.shape)) if "variance" in v.path else rng.normal(0, 1, w.shape)
            for v, w in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    return model


def answers(model, x):
    """What the model itself returns, (N, classes), float64."""
    made = model(x, training=False)
    made = made["answer"] if isinstance(made, dict) else made
    made = ops.convert_to_numpy(ops.cast(made, "float32"))
    return np.asarray(made, np.float64).reshape(len(x), -1)
