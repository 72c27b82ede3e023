"""Training of the small network of the Fashion-MNIST tutorial."""

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
from optogram.progress import ShownProgress, reporting

_ENDINGS = (".keras", ".h5", ".hdf5")
_RATE = 1e-3  # default of Adam
_EVALUATED = 1000  # images per batch


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network and its accuracy.

    Attributes
    ----------
    model : keras.Model
        Takes gray images (N, 28, 28, 1) in 0..255, which it rescales; returns probabilities.
    classes : tuple of str
        Class names.
    accuracy : float
        Accuracy on the test images, in 0..1.
    losses : ndarray of shape (epochs,)
        Mean training loss of each epoch: cross-entropy in nats, plus the weight penalty.
    """

    model: keras.Model
    classes: tuple[str, ...]
    accuracy: float
    losses: np.ndarray

    def save(self, path: str | os.PathLike) -> Path:
        """Save the network and its class names, which `load` finds.

        Parameters
        ----------
        path : str or path
            Ends in .keras, .h5 or .hdf5. Class names are written to a text file,
            ``fashion.labels.txt`` for ``fashion.keras``. Existing files stay until both are
            written. A network that was saved there before is kept as ``fashion.former.keras``.
            Files that optogram did not make are not replaced.

        Returns
        -------
        Path
            The model file.

        Raises
        ------
        InputError
            If the extension is another one.
        OutputError
            If the files cannot be written, or would replace files that optogram did not make.
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
    """The convolutional network of the Fashion-MNIST tutorial, untrained.

    Two blocks of convolution, batch normalization, leaky rectifier and pooling, then a dense block
    with dropout. Initializers and penalties are those of the tutorial; pixels are rescaled to 0…1
    inside, so that images need no preprocessing. Gallery: ``docs/gallery/clothes.py``.

    Parameters
    ----------
    classes : int
        Number of outputs.
    seed : int
        Random seed of the initial weights and the dropout.

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
    progress: ShownProgress = None,
) -> Trained:
    """Train and test the network of the Fashion-MNIST tutorial.

    The learning rate of Adam decays to 0 along half a cosine; in the tutorial it is constant, which
    makes the accuracy of the last epoch vary.

    Parameters
    ----------
    data : FashionMNIST
        Training and test data.
    epochs : int
        Number of epochs.
    batch : int
        Batch size.
    seed : int
        Random seed of the initial weights, the order of images and dropout. On one backend, the
        same seed gives the same network up to rounding.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

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
    with reporting(progress) as told:
        for epoch in range(epochs):
            order = generator.permutation(count)
            for start in starts:
                rows = order[start : start + batch]
                model.reset_metrics()  # Keras 3.12 adds up the losses of all steps
                loss = model.train_on_batch(_fed(data.train_images[rows]), data.train_labels[rows])
                # A running mean: the last step of an epoch may have fewer images.
                losses[epoch] += (float(loss) - losses[epoch]) * len(rows) / (start + len(rows))
                done += 1
                told(done, steps, f"epoch {epoch + 1} of {epochs}, loss {losses[epoch]:.3f}")
    return Trained(model, data.classes, _accuracy(model, data), losses)


def former(path: Path) -> Path:
    """The path to which the network previously saved at ``path`` is moved."""
    return path.with_suffix(f".former{path.suffix}")


def place_to_save(path: str | os.PathLike, classes: tuple[str, ...]) -> Path:
    """Check that `Trained.save` can write to ``path``; return it as a Path.

    Raises
    ------
    InputError
        If it has another extension than a model file.
    OutputError
        If it is a folder, its parent does not exist or cannot be written to, or it would replace a
        file that optogram did not make, or a labels file with other names than ``classes``.
    """
    path = Path(path)
    if path.suffix not in _ENDINGS:
        raise InputError(f"A network is saved as a .keras or .h5 file, but got {path.name!r}.")
    require_place(path)
    if kind_at(path) == "file":
        require_place(former(path))
    if not holds_names(labels_beside(path), classes):
        require_place(labels_beside(path))
    return path


def _fed(images: np.ndarray) -> np.ndarray:
    """Images (N, 28, 28), uint8, as a batch for the network."""
    return images[..., None].astype(np.float32)


def _accuracy(model: keras.Model, data: FashionMNIST) -> float:
    answers = model.predict(_fed(data.test_images), batch_size=_EVALUATED, verbose=0)
    return float(np.mean(answers.argmax(axis=-1) == data.test_labels))
