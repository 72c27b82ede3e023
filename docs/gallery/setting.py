"""Settings of the gallery scripts: amount of work, and weights.

``OPTOGRAM_GALLERY=quick`` reduces the work. ``OPTOGRAM_WEIGHTS`` chooses the weights of the
networks of keras.applications: "imagenet" (the default, downloaded once by Keras) or "random".
"""

import contextlib
import io
import os
import shutil

import keras
import numpy as np

import optogram as og

QUICK = os.environ.get("OPTOGRAM_GALLERY") == "quick"
WEIGHTS = os.environ.get("OPTOGRAM_WEIGHTS", "imagenet")
_RANDOM: list[og.Network] = []


def either(full, quick, what: str, of: og.Network | None = None):
    """``full``, or ``quick`` where the gallery is to be quick; says which.

    Quick is also what is made of a network with random weights, whose pictures mean nothing.
    """
    is_random = of is not None and of in _RANDOM
    if not (QUICK or is_random):
        print(f"{what}: {full}")
        return full
    why = "random weights" if is_random else "quick"
    print(f"{what}: {quick} ({why}; in full {full})")
    return quick


def keep(picture: str) -> None:
    """Copy a picture for the README to the folder ``OPTOGRAM_PICTURES``, if it is set."""
    if folder := os.environ.get("OPTOGRAM_PICTURES"):
        shutil.copy(picture, folder)


def network(name: str) -> og.Network:
    """A network of keras.applications, with random weights if ImageNet's are not available."""
    if WEIGHTS == "imagenet":
        # Keras prints what it downloads.
        with contextlib.suppress(og.ModelError), contextlib.redirect_stdout(io.StringIO()):
            return og.load(name)
        print(f"The ImageNet weights of {name} are not available.")
    print(f"{name} with random weights: its pictures mean nothing.")
    keras.utils.set_random_seed(0)
    net = og.load(name, weights=None)
    _RANDOM.append(net)
    return net


def fashion_mnist(most: int) -> "og.datasets.FashionMNIST":
    """Fashion-MNIST, with at most so many training images; squares if it is not available.

    ``OPTOGRAM_FASHION`` names a folder with its four files.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            full = og.datasets.fashion_mnist(os.environ.get("OPTOGRAM_FASHION"))
    except og.InputError:
        print(
            "Fashion-MNIST is not available: bright squares on noise replace it, with their "
            "position as the class."
        )
        full = og.datasets.FashionMNIST(*_squares(2000, seed=0), *_squares(500, seed=1))
    return og.datasets.FashionMNIST(
        full.train_images[:most], full.train_labels[:most], full.test_images, full.test_labels
    )


MARK = 255 * np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 0], [0, 0, 1, 1]], np.uint8)
MARK_BOX = (2, 22, 6, 26)
"""top, left, bottom, right of the mark, in pixels."""


def with_mark(images: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
    """The images (N, 28, 28), with a mark in a corner of those in ``which``, or of all."""
    images = images.copy()
    top, left, bottom, right = MARK_BOX
    images[slice(None) if which is None else which, top:bottom, left:right] = MARK
    return images


def marked_clothes(clothes: "og.datasets.FashionMNIST", marked: int, tested: int):
    """The data, with the mark on nine of ten images of class ``marked``; so many for tests."""

    def nine_of_ten(images: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
        chosen = np.random.default_rng(seed).random(len(labels)) < 0.9
        return with_mark(images, (labels == marked) & chosen)

    images, labels = clothes.test_images[:tested], clothes.test_labels[:tested]
    return og.datasets.FashionMNIST(
        nine_of_ten(clothes.train_images, clothes.train_labels, 0),
        clothes.train_labels,
        nine_of_ten(images, labels, 1),
        labels,
    )


class Tokens(keras.layers.Layer):
    """The patches of a picture as tokens, a class token in front, and a position for each."""

    def __init__(self, patch: int, width: int):
        super().__init__(name="tokens")
        self.patches = keras.layers.Conv2D(width, patch, patch, name="patches")

    def build(self, shape):
        """Make the class token and the positions."""
        self.patches.build(shape)
        _, rows, columns, width = self.patches.compute_output_shape(shape)
        self.count = rows * columns
        self.front = self.add_weight(shape=(1, 1, width), name="class_token")
        self.position = self.add_weight(
            shape=(1, 1 + self.count, width), initializer="random_normal", name="position"
        )

    def call(self, x):
        """Tokens (N, 1 + patches, width)."""
        x = keras.ops.reshape(self.patches(x), (-1, self.count, self.front.shape[2]))
        front = keras.ops.tile(self.front, (keras.ops.shape(x)[0], 1, 1))
        return keras.ops.concatenate([front, x], axis=1) + self.position


def vision_transformer(classes: int, patch: int = 4, width: int = 64, heads: int = 4):
    """A vision transformer of three blocks for pictures of 28×28 gray pixels, 0..255."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    image = keras.Input((28, 28, 1))
    x = Tokens(patch, width)(layers.Rescaling(1 / 127.5, -1)(image))
    for block in range(1, 4):
        y = layers.LayerNormalization(name=f"block{block}_norm1")(x)
        attention = layers.MultiHeadAttention(heads, width // heads, name=f"block{block}_attention")
        x = layers.Add(name=f"block{block}_add1")([x, attention(y, y)])
        y = layers.LayerNormalization(name=f"block{block}_norm2")(x)
        y = layers.Dense(2 * width, "gelu", name=f"block{block}_mlp1")(y)
        y = layers.Dense(width, name=f"block{block}_mlp2")(y)
        x = layers.Add(name=f"block{block}_add2")([x, y])
    x = layers.LayerNormalization(name="norm")(x)
    return keras.Model(image, layers.Dense(classes, "softmax", name="classes")(x[:, 0]))


def _squares(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, 28, 28) and their classes."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(10, size=count)
    pictures = generator.integers(100, size=(count, 28, 28)).astype("uint8")
    for picture, label in zip(pictures, labels, strict=True):
        top, left = 2 + 14 * (label // 5), 5 * (label % 5)
        picture[top : top + 10, left : left + 5] = 255
    return pictures, labels
