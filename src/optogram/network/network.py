"""An opened network."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from optogram.arguments import MOST, checked, whole
from optogram.errors import InputError, ModelError
from optogram.graph import layer_types
from optogram.graph.channels_last import channels_last
from optogram.graph.selection import select
from optogram.graph.snapshot import Snapshot
from optogram.graph.steps import Graph, Returned, Step
from optogram.interpreters import determinism
from optogram.interpreters.ends.head import logits_warning
from optogram.interpreters.engine import Computation
from optogram.interpreters.geometry import sized
from optogram.interpreters.own_preparation import own_preparation
from optogram.network import layer_names
from optogram.network.labels import numbered, read_labels
from optogram.network.layer import Layer, describe, summary
from optogram.pictures.preparation import preparation
from optogram.pictures.prepared import PreparedPhotos, is_prepared, prepared, remembering
from optogram.pictures.resample import require_resample
from optogram.words import counted

_NOMINAL_SIDE = 224


class Prediction(NamedTuple):
    """A predicted class."""

    index: int  # type: ignore[assignment]
    id: str
    label: str
    probability: float


class Network(Computation):
    """A Keras 3 model, opened. The model itself is never changed.

    Parameters
    ----------
    model : keras.Model
        Functional, sequential or subclassed; of several inputs one takes images, (N, H, W, C) or
        channels first.
    preprocess : str, pair of callables or Preparation, optional
        How pixels 0..255 are converted to the units that the model was trained on: "caffe", "tf",
        "torch", "unit" (0..1), "lite", "none", or a pair (forward, inverse) of callables on arrays
        (..., C). None: "none" if the model preprocesses pixels itself, by layers or operations
        before its first weights; else "unit", with a warning. There is also a warning if images
        would be preprocessed twice.
    labels : sequence of str, path or Labels, optional
        Class names in order; a text file has one per line.
    origin : str, optional
        Where the model came from; part of the provenance of every result.
    warnings : sequence of str, optional
        Further warnings about the model.
    input : str, optional
        Name of the image input. None: the only input that can be an image. Inputs of a subclassed
        model are named by key, argument or position (``input_0``); nested keys are joined by dots.
    fixed : mapping of str to array, optional
        Constant values of the other inputs, without a batch axis; a number fills the array.
    resample : {"lanczos", "bilinear", "nearest", "area"}
        How photos are resized to the input size unless a call says otherwise. Choose what the
        network was trained on; see `prepare`.
    output : str, optional
        Name of the output to explain. None: the only one. Outputs of a subclassed model are named
        by key, nested keys joined by dots (``heads.species``), or by layer.

    Attributes
    ----------
    model : keras.Model
        The model.
    name, origin : str
        Name of the model, and where it came from.
    graph : Graph
        The list of steps.
    layers : tuple of Layer
        The layers that `summary` lists: the steps, with the two halves of a layer as one.
    head : Head
        How scores and probabilities are read from the network.
    labels : Labels
        Class names.
    preparation : Preparation
        Conversion of pixels to network units, and back.
    resample : str
        How photos are resized to the input size.
    size : tuple of int or None
        Input (height, width); None where any size is accepted.
    channels : int
        Number of image channels.
    takes_pixels : bool
        Whether the network preprocesses pixels 0..255 itself.
    warnings : tuple of str
        Warnings given, and others, such as that the preprocessing is a guess or does not fit, or
        that logits are not available. Every result has them too.
    obtained : str
        How to obtain a network, for error messages.
    is_opaque : bool
        Whether the model is code that cannot be traced: a single step, without layers.

    Raises
    ------
    ModelError
        If the model was never built, or takes no images.
    InputError
        If the preparation, the labels or the choice of inputs and output do not fit the model.
    BackendError
        If Keras's backend is missing or cannot compute gradients.
    """

    obtained = "open a model with optogram.Network(model), a name or file with optogram.load(…)"

    @checked
    def __init__(
        self,
        model: Any,
        preprocess: Any = None,
        labels: Any = None,
        origin: str = "a model in memory",
        warnings: Sequence[str] = (),
        *,
        input: str | None = None,
        fixed: Mapping[str, Any] | None = None,
        output: str | None = None,
        resample: str = "lanczos",
    ) -> None:
        if not isinstance(model, keras.Model):
            raise ModelError(
                f"Expected a Keras 3 model, got an object of type {type(model).__name__}: "
                "build or load one with keras, or give optogram.load a name or a file."
            )
        self.resample = require_resample(resample)
        snapshot = Snapshot(model)
        part = select(model, input, fixed, output)
        graph = channels_last(sized(part.graph))
        self.size, self.channels = _image_input(graph, model.name)
        super().__init__(graph, model.name, model.variables)
        self.model = model
        self.origin = origin
        self.is_opaque = part.is_opaque
        self.warnings = (*warnings, *part.graph.trained.warnings())
        if self.head.is_hidden:
            self.warnings += (logits_warning(self.head),)
        self.warnings += determinism.warnings_about_answers(
            self.graph, self.head.logits, model, self.variables
        )
        self._own = own_preparation(self.graph)
        self.takes_pixels = self._own is not None and self._own.takes_pixels
        is_given = preprocess is not None
        if preprocess is None:
            preprocess = self._own.default if self._own else "unit"
        self.preparation = preparation(preprocess, self.channels)
        self.warnings += self._warnings_about_preparation(is_given)
        self.labels = (
            numbered(self.head.classes)
            if labels is None
            else read_labels(labels, self.head.classes)
        )
        self._steps = {step.name: step for step in self.graph.steps}
        self.layers = tuple(self[step.name] for step in self.graph.steps if step.half != "pre")
        snapshot.leave_out_changes(step.run for step in self.graph.steps)
        snapshot.add_trainable(part.graph.trained.switched)
        self._snapshot = snapshot

    # -- layers ---------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<Network {self.name!r} from {self.origin}, {len(self.graph.steps)} steps>"

    @checked
    def __getitem__(self, name: str) -> Layer:
        """The layer (or half of a layer, ``conv1:pre``) called ``name``."""
        self.require_unchanged()
        return describe(self.step(name), self.geometry(self.nominal_size))

    @checked
    def step(self, name: str) -> Step:
        """The step called ``name``.

        Raises
        ------
        InputError
            If there is none; the message suggests similar names.
        """
        if name not in self._steps:
            self.require_layers()
            raise layer_names.unknown(name, self._steps, self.name)
        return self._steps[name]

    @checked
    def layer_names(
        self, layers: str | Sequence[str], kinds: tuple[type, ...] = (object,)
    ) -> list[str]:
        """The names of the layers that ``layers`` stands for, each once.

        Parameters
        ----------
        layers : str or sequence of str
            Names, or patterns such as "block*_conv3" (``*`` any text, ``?`` one character,
            ``[abc]`` one of these). A pattern stands for all layers with feature maps that match
            it, in the order of the network. A layer whose name looks like a pattern is found by
            its name.
        kinds : tuple of classes
            Kinds of layers that patterns stand for. By default all.

        Raises
        ------
        InputError
            If a name is unknown, or a pattern matches nothing.
        """
        names = [layers] if isinstance(layers, str) else layers
        if not self._steps.keys() >= set(names):
            self.require_layers()
        return layer_names.matching(names, self._steps, self.name, kinds)

    @checked
    def map_layers(self, size: tuple[int, int] | None = None) -> dict[str, tuple[int, int]]:
        """The layers that can be explained, in order, and the (height, width) of their maps.

        These are the steps between image and score with feature maps larger than 1×1, except
        inputs, pooling, padding, dropout, resizing, and preprocessing of the image.

        Parameters
        ----------
        size : (height, width), optional
            Size of the image. None: the size that the network takes, or 224×224 if it takes any.
        """
        size = self.nominal_size if size is None else size
        height, width = (whole("size, height and width,", side, 1) for side in size)
        geometry = self.geometry((height, width))
        preparing = self._own.steps if self._own else frozenset()
        found = {}
        for index in sorted(self.graph.ancestors([self.head.logits]) - preparing):
            step, shape = self.graph.steps[index], geometry[index].shape
            is_map = len(shape) == 4 and shape[1:3] != (1, 1)
            if is_map and not self._only_moves(step):
                found[step.name] = (shape[1] or 0, shape[2] or 0)
        return found

    @property
    def default_layer(self) -> str:
        """The layer that is explained by default: the last of `map_layers`.

        In VGG16, this is ``block5_conv3``.

        Raises
        ------
        InputError
            If no layer has feature maps.
        """
        self.require_layers()
        names = list(self.map_layers())
        if not names:
            raise InputError(
                f"{self.name!r} has no layer with feature maps larger than 1×1: use a method "
                "without a layer, such as saliency or occlusion."
            )
        return names[-1]

    def summary(self) -> str:
        """A table of the network: layers, shapes, parameters, FLOPs, receptive fields, totals."""
        self.require_unchanged()
        sides = "×".join(str(side or "any") for side in (*self.size, self.channels))
        title = (
            f"{self.name}: {self.origin}, images of {sides}, preparation "
            f"{self.preparation.name!r}, resampling {self.resample!r}"
        )
        return summary(title, self.layers, self.model.weights)

    # -- images and predictions ---------------------------------------------------------------

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
        image : path, PIL image, array of shape (H, W, C) or (H, W) in 0..255, or a list of these
            A uint8 batch (N, H, W, C) is a list of images. A float batch is already prepared,
            and is only checked.
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
            If an image cannot be read, has NaN or the wrong number of channels, if the images of
            one batch differ in size, or if ``fit``, ``size`` or ``resample`` is given for a
            prepared batch.
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
    ) -> np.ndarray:
        """`prepare` for the use of one call: ``keep`` says whether decoded pictures are kept.

        ``is_any_size`` takes prepared batches of other sizes than the network's, too.
        """
        if is_prepared(image):
            for name, given in (("fit", fit), ("size", size), ("resample", resample)):
                if given is not None:
                    raise InputError(
                        f"The images are prepared already: give {name} to net.prepare, with the "
                        "photos, and not here."
                    )
            return self._checked(image, is_any_size)
        is_many = isinstance(image, list | tuple) or (
            isinstance(image, np.ndarray) and image.ndim == 4
        )
        pictures = list(image) if is_many else [image]
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
        """
        x = self.fed(image, fit, resample=resample)
        return self.evaluate(x, [self.head.logits], memory, beside=made_bytes(x, image))[0]

    @checked
    def predict(
        self,
        image: Any,
        top: int = 5,
        fit: str | None = None,
        *,
        resample: str | None = None,
        memory: float | str | None = None,
    ) -> list[list[Prediction]]:
        """The most probable classes of each image.

        A softmax is applied to the logits of networks without one. One sigmoid output stands for
        two classes.

        Parameters
        ----------
        image
            Image or images, as for `prepare`.
        top : int
            Number of classes, at least 1.
        fit : {"stretch", "crop", "pad"}, optional
            See `prepare`.
        resample : {"lanczos", "bilinear", "nearest", "area"}, optional
            See `prepare`.
        memory : float or str, optional
            Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free
            memory.

        Returns
        -------
        list of list of Prediction
            For each image, (index, id, label, probability), most probable first.
        """
        top = whole("top", top, 1)
        if self.head.is_spatial:
            raise InputError(
                f"{self.name!r} has no class per image, it scores classes at every position "
                f"{self.head.shape}: use net.scores(photo)."
            )
        return self.ranked(self.scores(image, memory, fit=fit, resample=resample), top)

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
                f"{count - 1}: "
                f"{label} is out of range."
            )
        return int(label)

    @property
    def nominal_size(self) -> tuple[int, int]:
        """The input size (height, width); a default one if the network takes any size."""
        return (self.size[0] or _NOMINAL_SIDE, self.size[1] or _NOMINAL_SIDE)

    def require_layers(self) -> None:
        """Raise an InputError if the network is opaque."""
        if self.is_opaque:
            raise InputError(
                f"{self.name!r} is subclassed ({type(self.model).__name__}), and its call() uses "
                "more than layers and keras.ops, so its layers are not available. Methods "
                "without a layer work (saliency, smoothgrad, integrated_gradients, occlusion); "
                "for the others, write call() with layers and keras.ops only."
            )

    def _warnings_about_preparation(self, is_given: bool) -> tuple[str, ...]:
        """Warnings that the preprocessing is a guess, or likely wrong."""
        if self._own is None and not is_given:
            return (
                'No preprocessing was given: pixels are scaled to 0…1 ("unit"). If the network '
                "was trained on other units, choose them with preprocess=…; otherwise "
                "predictions will be wrong.",
            )
        if self._own is None:
            return ()
        warning = (
            self._own.mismatch(self.preparation, self.channels) if is_given else self._own.notice
        )
        return (warning,) if warning else ()

    def _only_moves(self, step: Step) -> bool:
        """Whether the step makes no feature maps of its own, but passes on its inputs."""
        operation = step.operation
        if isinstance(operation, keras.layers.Permute | keras.layers.Reshape):
            read = step.inputs[0]
            return len(self.graph.steps[read.step].shapes[read.index]) == len(step.shape)
        return step.passes_on or isinstance(operation, (*layer_types.NOT_EXPLAINED_AT, Returned))

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
                f"The prepared batch has {bad} NaN or infinite values among {x.size}: replace them."
            )
        found = np.ascontiguousarray(x, np.float32)
        if isinstance(x, PreparedPhotos):
            return remembering(found, x.photos)
        return found


def made_bytes(x: np.ndarray, image: Any) -> int:
    """Bytes of ``x``, which `Network.prepare` made of ``image``; 0 if it is the same array."""
    return 0 if x is image else x.nbytes


def _image_input(graph: Graph, name: str) -> tuple[tuple[int | None, int | None], int]:
    """((height, width), channels) of the image input."""
    shape = graph.steps[graph.inputs[0].step].shape
    if len(shape) != 4 or shape[3] is None:
        raise ModelError(
            f"The model {name!r} takes an input of shape {shape}, not images (batch, height, "
            "width, channels): optogram explains networks for images."
        )
    return (shape[1], shape[2]), shape[3]
