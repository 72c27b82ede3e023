"""Images of an opened network, and its predictions."""

from collections.abc import Iterator
from typing import Any, NamedTuple, overload

import numpy as np

from optogram.arguments import MOST, checked, whole
from optogram.errors import InputError
from optogram.interpreters.engine import Computation
from optogram.interpreters.precision import in_precision, require_precision
from optogram.network.labels import Labels
from optogram.pictures.preparation import Preparation
from optogram.pictures.prepared import PreparedPhotos, is_prepared, prepared, remembering
from optogram.pictures.sources import in_chunks, is_stream, labeled, listed
from optogram.words import counted

_NOMINAL_SIDE = 224

CHUNK = 32
"""Images of a stream that are read together; fewer where they may differ in size."""


class Prediction(NamedTuple):
    """A predicted class."""

    index: int  # type: ignore[assignment]
    id: str
    label: str
    probability: float


class Named(NamedTuple):
    """A class of a network."""

    index: int  # type: ignore[assignment]
    id: str
    label: str


class Predictor(Computation):
    """What a network, opened as `Network`, does with images."""

    size: tuple[int | None, int | None]
    channels: int
    preparation: Preparation
    resample: str
    labels: Labels

    @checked
    def prepare(
        self,
        image: Any,
        fit: str | None = None,
        size: tuple[int | None, int | None] | None = None,
        resample: str | None = None,
    ) -> np.ndarray:
        """Read and preprocess images: a batch in network units.

        Parameters
        ----------
        image
            The path of a picture file, its content as bytes, or an open file; a PIL image; an
            array or tensor of shape (H, W, C) or (H, W) in 0..255; or a list of these. A uint8
            batch (N, H, W, C) is a list of images. A float batch is already prepared, and is only
            checked. Tensors of TensorFlow, JAX and PyTorch are read as arrays. `og.pixels` reads
            arrays in other units or with channels first, and takes images from a dataset.
        fit : {"stretch", "crop", "pad"}, optional
            How a photo is brought to the input size. "stretch", the default: resize both sides
            (the whole photo, as in Keras by default). "crop": cut out the center. "pad": add gray.
        size : (height, width), optional
            Size of the batch; None for one side keeps the photo's proportions. By default the
            input size of the network, or the photo's own size if the network takes any. If it
            differs from the network's, use the batch with `feature_maps`.
        resample : {"lanczos", "bilinear", "nearest", "area"}, optional
            How the pixels are computed at the new size. "lanczos": antialiased, as
            ``keras.utils.load_img(interpolation="lanczos")``. "bilinear": without antialiasing, as
            ``keras.utils.image_dataset_from_directory`` by default. "nearest": as
            ``keras.utils.load_img`` by default. "area": the mean of the area that a new pixel
            covers. None: what was chosen when the network was opened.

        Returns
        -------
        ndarray of shape (N, H, W, C), float32
            The batch, in network units. Its ``photos`` are the file, the fit and the visible part
            of each photo, where results draw their maps (`PreparedPhotos`). The decoded photos are
            kept as long as the batch exists, so that overlays do not read the files again.

        Raises
        ------
        InputError
            If an image cannot be read, has NaN or the wrong number of channels; if images come
            from a generator or dataset, which may be endless; if the images of one batch differ in
            size; or if ``fit``, ``size`` or ``resample`` is given for a prepared batch.
        """
        return self.fed(image, fit, size, resample, keep=True)

    def fed(
        self,
        image: Any,
        fit: str | None = None,
        size: tuple[int | None, int | None] | None = None,
        resample: str | None = None,
        *,
        keep: bool = False,
        is_any_size: bool = False,
        first: int | None = None,
    ) -> np.ndarray:
        """`prepare` for the use of one call: ``keep`` says whether decoded pictures are kept.

        ``is_any_size`` takes prepared batches of other sizes than the network's, too. ``first`` is
        the index of the first image in a stream, for error messages.
        """
        pictures = listed(image)
        if is_prepared(pictures):
            for name, given in (("fit", fit), ("size", size), ("resample", resample)):
                if given is not None:
                    raise InputError(
                        f"The images are prepared already: give {name} to net.prepare, with the "
                        "photos, and not here."
                    )
            return self._checked(pictures, is_any_size)
        if not pictures:
            raise InputError("Expected at least one image, got an empty list.")
        return prepared(
            pictures,
            self.channels,
            self.size if size is None else size,
            "stretch" if fit is None else fit,
            self.resample if resample is None else resample,
            self.preparation,
            keep,
            first,
        )

    @checked
    def display(self, x: np.ndarray) -> np.ndarray:
        """Prepared images (N, H, W, C) as uint8 images; the inverse of `prepare`."""
        return self.preparation.display(np.asarray(x))

    @checked
    def scores(
        self,
        image: Any,
        memory: float | str | None = None,
        *,
        fit: str | None = None,
        resample: str | None = None,
        precision: str = "exact",
    ) -> np.ndarray:
        """The logits (N, outputs) for images, as for `prepare`.

        (N, h, w, classes) if the network scores classes at every position.

        Parameters
        ----------
        image, fit, resample
            As for `prepare`.
        memory : float or str, optional
            Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free
            memory.
        precision : {"exact", "fast"}
            See `predict`.
        """
        require_precision(precision)
        x = self.fed(image, fit, resample=resample)
        net, *_ = in_precision(self, precision, x.shape[1:3])
        return net.evaluate(x, [self.head.logits], memory, beside=made_bytes(x, image))[0]

    @overload
    def predict(
        self,
        image: Iterator[Any],
        top: int = 5,
        fit: str | None = None,
        *,
        resample: str | None = None,
        precision: str = "exact",
        memory: float | str | None = None,
    ) -> Iterator[list[Prediction]]: ...

    @overload
    def predict(
        self,
        image: Any,
        top: int = 5,
        fit: str | None = None,
        *,
        resample: str | None = None,
        precision: str = "exact",
        memory: float | str | None = None,
    ) -> list[list[Prediction]]: ...

    @checked
    def predict(
        self,
        image: Any,
        top: int = 5,
        fit: str | None = None,
        *,
        resample: str | None = None,
        precision: str = "exact",
        memory: float | str | None = None,
    ) -> list[list[Prediction]] | Iterator[list[Prediction]]:
        """The most probable classes of each image.

        A softmax is applied to the logits of networks without one. One sigmoid output stands for
        two classes.

        Parameters
        ----------
        image
            Image or images, as for `prepare`. Or a stream, which is read a few images at a time: a
            generator or any other iterable of images, ``tf.data.Dataset``, PyTorch ``DataLoader``,
            ``keras.utils.PyDataset``. Its elements are images in 0..255 or batches of them, alone
            or before their labels; see `og.pixels`.
        top : int
            Number of classes, at least 1.
        fit : {"stretch", "crop", "pad"}, optional
            See `prepare`.
        resample : {"lanczos", "bilinear", "nearest", "area"}, optional
            See `prepare`.
        precision : {"exact", "fast"}
            "fast": where that is faster, large products of the network in bfloat16, and
            normalizations folded into convolutions; probabilities differ in the third digit.
        memory : float or str, optional
            Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free
            memory.

        Returns
        -------
        list of list of Prediction, or iterator of list of Prediction
            For each image, (index, id, label, probability), most probable first. For a stream, an
            iterator, which computes predictions as they are asked for.

        Raises
        ------
        InputError
            If an image or argument cannot be used; for images of a stream, while iterating.
        """
        top = whole("top", top, 1)
        if self.head.is_spatial:
            raise InputError(
                f"{self.name!r} has no class per image, it scores classes at every position "
                f"{self.head.shape}: use net.scores(photo)."
            )
        if not is_stream(image):
            logits = self.scores(image, memory, fit=fit, resample=resample, precision=precision)
            return self.ranked(logits, top)
        require_precision(precision)
        return (
            predictions
            for x in self.batches(image, fit, resample)
            for predictions in self.ranked(self.scores(x, memory, precision=precision), top)
        )

    def batches(
        self, images: Any, fit: str | None = None, resample: str | None = None
    ) -> Iterator[np.ndarray]:
        """The images of a stream, prepared, a few at a time."""
        # Photos that keep their size do not fit into one array.
        length = 1 if None in self.size else CHUNK
        first = 0
        for chunk in in_chunks((image for image, _ in labeled(images)), length):
            if is_prepared(chunk[0]):
                yield self.fed(np.concatenate(chunk), fit, resample=resample)
            else:
                yield self.fed(chunk, fit, resample=resample, first=first)
            first += len(chunk)

    def ranked(self, logits: np.ndarray, top: int) -> list[list[Prediction]]:
        """The ``top`` most probable classes of each row of ``logits`` (N, outputs)."""
        probabilities = self.head.probabilities(logits)
        return [
            [
                Prediction(int(i), self.labels.ids[i], self.labels.names[i], float(row[i]))
                for i in np.argsort(-row, kind="stable")[:top]
            ]
            for row in probabilities
        ]

    @checked
    def class_index(self, label: int | str) -> int:
        """The index of a class given by index, name or WordNet id.

        Raises
        ------
        InputError
            If it is out of range, unknown, or ambiguous.
        """
        if isinstance(label, str):
            return self.labels.index(label)
        count, label = self.head.classes, whole("A class", label, -MOST)
        if not 0 <= label < count:
            raise InputError(
                f"{self.name!r} has {counted(count, 'class', 'classes')}, numbered 0 to "
                f"{count - 1}: {label} is out of range."
            )
        return int(label)

    @checked
    def find_classes(self, text: str) -> list[Named]:
        """The classes whose label contains a text: (index, id, label) of each.

        Parameters
        ----------
        text : str
            One or several words, such as "cat". Classes with that word come first (tiger cat),
            then those with a word that begins with it (cathedral), then those that contain it.
        """
        return [Named(i, self.labels.ids[i], self.labels.names[i]) for i in self.labels.find(text)]

    @property
    def nominal_size(self) -> tuple[int, int]:
        """The input size (height, width); a default one if the network takes any size."""
        return (self.size[0] or _NOMINAL_SIDE, self.size[1] or _NOMINAL_SIDE)

    def _checked(self, x: np.ndarray, is_any_size: bool = False) -> np.ndarray:
        """A prepared batch, as ``float32``; InputError where it does not fit the network."""
        expected = (*((None, None) if is_any_size else self.size), self.channels)
        fits = all(want in (None, got) for want, got in zip(expected, x.shape[1:], strict=True))
        if not fits or 0 in x.shape:
            sides = ", ".join(str(side or "any") for side in expected)
            raise InputError(
                f"A prepared batch for {self.name!r} has the shape (N, {sides}), got {x.shape}: "
                "make it with net.prepare(photo)."
            )
        bad = int(np.count_nonzero(~np.isfinite(x)))
        if bad:
            raise InputError(
                f"The prepared batch has {counted(bad, 'NaN or infinite value')} among {x.size}: "
                "replace them."
            )
        found = np.ascontiguousarray(x, np.float32)
        if isinstance(x, PreparedPhotos):
            return remembering(found, x.photos)
        return found


def made_bytes(x: np.ndarray, image: Any) -> int:
    """Bytes of ``x``, which `Network.prepare` made of ``image``; 0 if it is the same array."""
    return 0 if x is image else x.nbytes
