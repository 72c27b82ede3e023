"""Training the small network of the Fashion-MNIST tutorial: something of one's own to look into."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers

from optogram.arguments import MOST_SEED, checked, whole
from optogram.datasets import FashionMNIST
from optogram.errors import InputError
from optogram.files import (
    holds_names,
    kind_at,
    labels_beside,
    replacing,
    require_place,
    write_names,
)
from optogram.progress import Progress, silent

_ENDINGS = (".keras", ".h5", ".hdf5")
_RATE = 1e-3  # Adam's own
_EVALUATED = 1000  # pictures at a time


@dataclass(frozen=True, eq=False)
class Trained:
    """A network, and how well it has learned.

    Attributes
    ----------
    model : keras.Model
        Takes gray pictures (N, 28, 28, 1) in 0..255, which it scales itself; returns probabilities.
    classes : tuple of str
        The names of its outputs.
    accuracy : float
        The share of the test pictures that it names rightly, in 0..1.
    losses : ndarray of shape (epochs,)
        The mean loss of each epoch while it was trained: cross-entropy in nats, and the penalty on
        its weights.
    """

    model: keras.Model
    classes: tuple[str, ...]
    accuracy: float
    losses: np.ndarray

    def save(self, path: str | os.PathLike) -> Path:
        """Write the network, and beside it the names of its classes, which `load` takes by itself.

        Parameters
        ----------
        path : str or path
            Ends in .keras, .h5 or .hdf5; the names go to a text file, ``fashion.labels.txt`` for
            ``fashion.keras``. What was there before stays until both are written. A network that
            was trained before and saved there is kept beside it, as ``fashion.former.keras``;
            files that optogram did not make are not replaced.

        Returns
        -------
        Path
            The model file.

        Raises
        ------
        InputError
            If the ending is another one.
        OutputError
            If the files cannot be written, or may not be replaced.
        """
        path = place_to_save(path, self.classes)
        with replacing(path) as model:
            self.model.save(model)
            if kind_at(path) == "file":
                with replacing(former(path)) as kept:
                    shutil.copyfile(path, kept)
            write_names(self.classes, labels_beside(path))
        return path


@checked
def small_cnn(classes: int = 10, *, seed: int = 0) -> keras.Model:
    """The convolutional network of tutorial row C1, untrained.

    Two blocks of convolution, batch normalization, leaky rectifier and pooling, then a dense block
    with dropout. The tutorial's initial weights and penalties are kept; pixels are scaled to 0…1
    inside, so that pictures need no preparation.

    Parameters
    ----------
    classes : int
        How many outputs.
    seed : int
        Of the initial weights and the dropout.

    Returns
    -------
    keras.Model
        With layers called conv1, norm1, leaky1, pool1, and so on.
    """
    classes, seed = whole("classes", classes, 1), whole("seed", seed, 0, MOST_SEED)
    generator = np.random.default_rng(seed)

    def drawn() -> int:
        return int(generator.integers(2**31))

    def weights() -> dict[str, object]:
        return {
            "kernel_initializer": keras.initializers.HeNormal(drawn()),
            "kernel_regularizer": keras.regularizers.L1L2(l1=1e-5, l2=1e-4),
        }

    def rectified(number: int) -> list[keras.Layer]:
        return [
            layers.BatchNormalization(name=f"norm{number}"),
            layers.LeakyReLU(negative_slope=0.3, name=f"leaky{number}"),
        ]

    return keras.Sequential(
        [
            keras.Input((28, 28, 1), name="picture"),
            layers.Rescaling(1 / 255, name="scale"),
            layers.Conv2D(32, 3, **weights(), name="conv1"),
            *rectified(1),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(64, 3, **weights(), name="conv2"),
            *rectified(2),
            layers.MaxPooling2D(name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(64, **weights(), name="dense"),
            *rectified(3),
            layers.Dropout(0.4, seed=drawn(), name="dropout"),
            layers.Dense(
                classes,
                activation="softmax",
                kernel_initializer=keras.initializers.GlorotUniform(drawn()),
                name="probabilities",
            ),
        ],
        name="small_cnn",
    )


@checked
def train(
    data: FashionMNIST,
    *,
    epochs: int = 20,
    batch: int = 128,
    seed: int = 0,
    progress: Progress = silent,
) -> Trained:
    """Train the network of tutorial row C1 and test it.

    Adam's step size falls to zero along half a cosine; the tutorial holds it constant, which leaves
    the network of the last epoch better or worse than that of the one before, as it happens.

    Parameters
    ----------
    data : FashionMNIST
        What it learns from, and is tested on.
    epochs : int
        How many times it sees every training picture.
    batch : int
        How many pictures make a step.
    seed : int
        Random seed of the initial weights, the order of images and dropout. On one backend, the
        same seed gives the same network up to rounding.
    progress : callable, optional
        Called as ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    Trained

    Raises
    ------
    InputError
        If a number is below 1, or the seed below 0.
    """
    for name, number, least in (("epochs", epochs, 1), ("batch", batch, 1), ("seed", seed, 0)):
        whole(name, number, least)
    model = small_cnn(len(data.classes), seed=seed)
    generator = np.random.default_rng(seed)
    count = len(data.train_images)
    starts = range(0, count, batch)
    losses, steps, done = np.zeros(epochs), epochs * len(starts), 0
    rate = keras.optimizers.schedules.CosineDecay(_RATE, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    for epoch in range(epochs):
        order = generator.permutation(count)
        for start in starts:
            rows = order[start : start + batch]
            model.reset_metrics()  # Keras 3.12 adds up the losses of all steps
            loss = model.train_on_batch(_fed(data.train_images[rows]), data.train_labels[rows])
            # The mean so far: the last step of an epoch may have fewer pictures.
            losses[epoch] += (float(loss) - losses[epoch]) * len(rows) / (start + len(rows))
            done += 1
            progress(done, steps, f"epoch {epoch + 1} of {epochs}, loss {losses[epoch]:.3f}")
    return Trained(model, data.classes, _accuracy(model, data), losses)


def former(path: Path) -> Path:
    """Where the network is kept that was saved at ``path`` before."""
    return path.with_suffix(f".former{path.suffix}")


def place_to_save(path: str | os.PathLike, classes: tuple[str, ...]) -> Path:
    """``path``, where a model file can be written: what `Trained.save` checks.

    Raises
    ------
    InputError
        If it does not end as a model file does.
    OutputError
        If it is a folder, its own folder is not there or cannot be written to, or a file is there
        that optogram did not make, or beside it one with other names than ``classes``.
    """
    path = Path(path)
    if path.suffix not in _ENDINGS:
        raise InputError(f"A network is saved as .keras or .h5, but got {path.name!r}.")
    require_place(path)
    if kind_at(path) == "file":
        require_place(former(path))
    if not holds_names(labels_beside(path), classes):
        require_place(labels_beside(path))
    return path


def _fed(images: np.ndarray) -> np.ndarray:
    """Pictures (N, 28, 28), uint8, as the network takes them."""
    return images[..., None].astype(np.float32)


def _accuracy(model: keras.Model, data: FashionMNIST) -> float:
    answers = model.predict(_fed(data.test_images), batch_size=_EVALUATED, verbose=0)
    return float(np.mean(answers.argmax(axis=-1) == data.test_labels))
